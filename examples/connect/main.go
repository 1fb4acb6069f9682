// Command connect is an API that speaks Connect, gRPC and gRPC-Web on one port, with a
// guard of package auth0 around each procedure. See README.md.
//
// It is a separate module: run it with "go -C examples/connect run ." from the root of
// the repository. It starts its own tenant, calls itself, and prints commands to call it
// with. PORT is the port to listen on, 3004 by default.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// origin is the origin of the pages that may call the API.
const origin = "http://localhost:3000"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves the API until the context is done.
func run(ctx context.Context, out io.Writer) error {
	port := cmp.Or(os.Getenv("PORT"), "3004")
	listener, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		return fmt.Errorf("port %s cannot be used; set PORT to another one, such as PORT=3333: %w", port, err)
	}
	url := "http://" + listener.Addr().String()
	tenant, err := auth0test.Serve("127.0.0.1:0", url)
	if err != nil {
		return err
	}
	defer tenant.Close()
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		return err
	}

	// Clients of gRPC require HTTP/2, here without TLS.
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: allowOrigin(origin, routes(api)), Protocols: protocols, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer context.AfterFunc(ctx, func() { server.Close() })()

	reader := tenant.AccessToken(auth0test.Scope("read:files"))
	show(ctx, out, url, reader)
	fmt.Fprintf(out, `
Tenant  embedded, at %s
Call    curl -i -H 'Content-Type: application/json' -d '"notes.txt"' -H 'Authorization: Bearer %s' %s%s
        A DEMO WITH PUBLIC PASSWORDS AND KEYS: ANYBODY CAN GET A TOKEN
`, tenant.URL(), reader, url, readProcedure)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// show calls the procedures, and prints the answers.
func show(ctx context.Context, out io.Writer, url, token string) {
	const name = "notes.txt"
	read := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http.DefaultClient, url+readProcedure)
	deleting := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http.DefaultClient, url+deleteProcedure)
	watch := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http.DefaultClient, url+watchProcedure)

	_, err := read.CallUnary(ctx, connect.NewRequest(wrapperspb.String(name)))
	fmt.Fprintln(out, "Read without a token:          ", connect.CodeOf(err))
	if response, err := read.CallUnary(ctx, withToken(token, name)); err != nil {
		fmt.Fprintln(out, "Read:", err)
	} else {
		fmt.Fprintln(out, "Read with the scope read:files: ", response.Msg.GetValue())
	}
	_, err = deleting.CallUnary(ctx, withToken(token, name))
	fmt.Fprintln(out, "Delete with the same token:    ", connect.CodeOf(err))
	stream, err := watch.CallServerStream(ctx, withToken(token, name))
	if err != nil {
		fmt.Fprintln(out, "Watch:", err)
		return
	}
	defer stream.Close()
	for stream.Receive() {
		fmt.Fprintln(out, "Watch with the scope read:files:", stream.Msg().GetValue())
	}
}

// withToken makes a request with a token.
func withToken(token, name string) *connect.Request[wrapperspb.StringValue] {
	r := connect.NewRequest(wrapperspb.String(name))
	r.Header().Set("Authorization", "Bearer "+token)
	return r
}
