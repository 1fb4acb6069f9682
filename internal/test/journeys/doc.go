// Package journeys has the table of states: the answer that each kind of caller gets
// from each route and guard, in each state of the browser and of the tenant, and
// where a user ends up who follows it. testdata/states.txt is the table,
// docs/states.md is the same for readers. It has no code.
package journeys
