// Package journeys has the table of states: the answer that each kind of caller gets
// from each route and guard, in each state of browser and tenant. It also has the
// end for a user who follows the answer. testdata/states.txt is the table,
// docs/states.md is the same for readers. It has no code.
package journeys
