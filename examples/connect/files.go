package main

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-15d5a55c/auth0"
)

// The procedures. Generated code has such constants, for example
// filesv1connect.FilesServiceReadProcedure.
const (
	readProcedure   = "/acme.files.v1.FilesService/Read"
	deleteProcedure = "/acme.files.v1.FilesService/Delete"
	watchProcedure  = "/acme.files.v1.FilesService/Watch"
)

// routes has one line for each procedure, with its guard. Clients of a procedure without
// a line get CodeUnimplemented.
func routes(api *auth0.API) http.Handler {
	files := newFilesHandler()
	mux := http.NewServeMux()
	mux.Handle(readProcedure, api.RequireScope("read:files")(files))
	mux.Handle(watchProcedure, api.RequireScope("read:files")(files))
	mux.Handle(deleteProcedure, api.RequirePermissions("delete:files")(files))
	return mux
}

// newFilesHandler serves all procedures, like the handler of generated code:
//
//	_, files := filesv1connect.NewFilesServiceHandler(service)
func newFilesHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(readProcedure, connect.NewUnaryHandler(readProcedure, read))
	mux.Handle(deleteProcedure, connect.NewUnaryHandler(deleteProcedure, remove))
	mux.Handle(watchProcedure, connect.NewServerStreamHandler(watchProcedure, watch))
	return mux
}

// read answers with the user of the token.
func read(ctx context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	token, _ := auth0.TokenFrom(ctx)
	return connect.NewResponse(wrapperspb.String(fmt.Sprintf("%s, read by %s", r.Msg.GetValue(), token.Subject()))), nil
}

func remove(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	return connect.NewResponse(wrapperspb.String(r.Msg.GetValue() + ", deleted")), nil
}

// watch sends two versions of the file.
func watch(ctx context.Context, r *connect.Request[wrapperspb.StringValue], stream *connect.ServerStream[wrapperspb.StringValue]) error {
	token, _ := auth0.TokenFrom(ctx)
	for version := 1; version <= 2; version++ {
		text := fmt.Sprintf("%s, version %d, watched by %s", r.Msg.GetValue(), version, token.Subject())
		if err := stream.Send(wrapperspb.String(text)); err != nil {
			return err
		}
	}
	return nil
}

// allowOrigin lets scripts of one origin call the API. It stands outside the guards,
// because a browser sends a preflight without a token. The lists are those of Connect
// and gRPC-Web.
func allowOrigin(origin string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if r.Header.Get("Origin") == origin {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, WWW-Authenticate, Retry-After")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Timeout, X-Grpc-Web, X-User-Agent")
				h.Set("Access-Control-Max-Age", "7200")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
