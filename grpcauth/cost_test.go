package grpcauth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// costs returns the work of a unary call with a cached token, and the work of the API
// alone.
func costs(t testing.TB) (call, verify func()) {
	e := newAuth(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {Scopes: []string{"a", "b"}, Permissions: []string{"c"}}}}, func(c *auth0.APIConfig) { c.Observer = nil })
	raw := e.tenant.AccessToken(auth0test.Scope("a", "b"), auth0test.Permissions("c"))
	ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{}})
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+raw, "user-agent", "x", "content-type", "application/grpc"))
	unary, info := e.auth.Unary(), &grpc.UnaryServerInfo{FullMethod: get}
	called := 0
	handler := func(context.Context, any) (any, error) { called++; return nil, nil }
	call = func() {
		before := called
		if _, err := unary(ctx, nil, info, handler); err != nil || called != before+1 {
			t.Fatal(err)
		}
	}
	verify = func() {
		if _, err := e.api.Verify(ctx, raw); err != nil {
			t.Fatal(err)
		}
	}
	call()
	return call, verify
}

// A unary call allocates little beside the check of its token: the value of the metadata
// and the context.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	call, verify := costs(t)
	of, alone := testing.AllocsPerRun(1000, call), testing.AllocsPerRun(1000, verify)
	if t.Logf("%v allocations, Verify alone %v", of, alone); of > alone+6 {
		t.Errorf("%v allocations, want at most 6 more than the %v of Verify", of, alone)
	}
}

func BenchmarkUnary(b *testing.B) {
	call, _ := costs(b)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

func BenchmarkVerify(b *testing.B) {
	_, verify := costs(b)
	b.ReportAllocs()
	for b.Loop() {
		verify()
	}
}
