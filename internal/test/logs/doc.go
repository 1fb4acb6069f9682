// Package logs has tests of what may be in logs, errors and formatted values: no
// secrets, short lines, the cause. It has no code.
package logs
