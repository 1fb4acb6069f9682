package grpcauth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// A server with the health service of grpc-go, whose methods need different things.
func Example() {
	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost") // in production: a tenant of Auth0
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()

	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		log.Fatal(err)
	}
	auth, err := grpcauth.New(api, grpcauth.Options{
		Methods: map[string]grpcauth.Need{
			"/grpc.health.v1.Health/List":  {Scopes: []string{"read:health"}},
			"/grpc.health.v1.Health/Watch": {Permissions: []string{"watch:health"}},
		},
		Public: []string{"/grpc.health.v1.Health/Check"},
	})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(auth.Unary()), grpc.ChainStreamInterceptor(auth.Stream())) // in production: grpc.Creds too
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	if err := auth.Check(server); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Stop()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	call := func(authorization ...string) codes.Code {
		ctx := context.Background()
		for _, value := range authorization {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
		}
		_, err := client.List(ctx, &grpc_health_v1.HealthListRequest{})
		return status.Code(err)
	}
	fmt.Println("no token:", call())
	fmt.Println("without the scope:", call("Bearer "+tenant.AccessToken()))
	fmt.Println("with the scope:", call("Bearer "+tenant.AccessToken(auth0test.Scope("read:health"))))
	_, err = client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println("a public method:", status.Code(err))

	// Output:
	// no token: Unauthenticated
	// without the scope: PermissionDenied
	// with the scope: OK
	// a public method: OK
}

// A server in production.
func ExampleNew() {
	var files grpc.ServiceDesc // in generated code: filesv1.Files_ServiceDesc
	cert, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}

	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://api.acme.example/"})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := grpcauth.New(api, grpcauth.Options{
		Methods: map[string]grpcauth.Need{
			"/acme.files.v1.Files/Read":  {Scopes: []string{"read:files"}},
			"/acme.files.v1.Files/Write": {Permissions: []string{"write:files"}},
		},
		Public: grpcauth.Health,
	})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewServerTLSFromCert(&cert)),
		grpc.ChainUnaryInterceptor(auth.Unary()),
		grpc.ChainStreamInterceptor(auth.Stream()),
	)
	server.RegisterService(&files, nil)
	if err := auth.Check(server); err != nil {
		log.Fatal(err) // a method without a line in the table, or a line without a method
	}
}

// A program that calls another one in its own name, not in that of a user.
func ExampleCredentials() {
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	app, err := auth0.NewApplication(cfg)
	if err != nil {
		log.Fatal(err)
	}
	source := app.ClientCredentials(auth0.ClientCredentials{Audience: "https://api.acme.example/"})
	conn, err := grpc.NewClient("api.acme.example:443",
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{})),
		grpc.WithPerRPCCredentials(grpcauth.Credentials(source)))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	_ = client // each call has a token, which is requested when the first one needs it
}

// A handler knows the caller by the token of the call.
func ExampleAuth_Unary() {
	type claims struct {
		Team string `json:"https://acme.example/team"`
	}
	handler := func(ctx context.Context) (string, error) {
		token, ok := auth0.TokenFrom(ctx)
		if !ok {
			return "", status.Error(codes.Unauthenticated, "authentication required") // a public method
		}
		c, err := auth0.Claims[claims](ctx)
		if err != nil {
			return "", status.Error(codes.PermissionDenied, "no team")
		}
		return token.Subject() + " of " + c.Team, nil
	}
	_ = handler
}
