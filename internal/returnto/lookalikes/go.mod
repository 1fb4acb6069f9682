module github.com/seed-15d5a55c/auth0/internal/returnto/lookalikes

go 1.26.0

replace github.com/seed-15d5a55c/auth0 => ../../../

require (
	github.com/seed-15d5a55c/auth0 v0.0.0-00010101000000-000000000000
	golang.org/x/text v0.41.0
)
