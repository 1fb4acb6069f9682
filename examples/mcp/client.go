package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// runClient calls each tool of the server. It prints the URLs at which the user logs in.
func runClient(ctx context.Context, server string) error {
	c, err := connect(ctx, server, func(at string) { fmt.Printf("\nOpen in a browser to log in:\n%s\n\n", at) })
	if err != nil {
		return err
	}
	defer c.Close()
	tools, err := c.session.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	for _, tool := range tools.Tools {
		fmt.Printf("The server has the tool %s\n", tool.Name)
	}
	for _, tool := range []string{"list_notes", "add_note", "list_notes", "delete_notes"} {
		answer, err := c.call(ctx, tool)
		if err != nil {
			answer = "refused: " + err.Error()
		}
		fmt.Printf("%-14s%s\n", tool, answer)
	}
	return nil
}

// A client is a session with a server, and the listener for the answers of the tenant.
type client struct {
	session  *mcp.ClientSession
	callback *http.Server
}

// connect begins a session. The client of the SDK finds the metadata by the server's 401,
// and the tenant by the metadata. It registers there, and sends the user to log in (PKCE,
// with the URL of the server as the resource). After a 403 for a missing scope it sends the user again.
func connect(ctx context.Context, server string, open func(url string)) (*client, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	answers := make(chan *auth.AuthorizationResult, 1)
	c := &client{callback: &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		select {
		case answers <- &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}:
			fmt.Fprintln(w, "You can close this page.")
		default:
			http.Error(w, "There is another answer already.", http.StatusConflict)
		}
	})}}
	go c.callback.Serve(listener)

	callback := "http://" + listener.Addr().String() + "/callback"
	oauth, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			RedirectURIs: []string{callback}, ClientName: "Example client", TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			open(args.URL)
			select {
			case answer := <-answers:
				return answer, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
	if err == nil {
		c.session, err = mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil).
			Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server, OAuthHandler: oauth}, nil)
	}
	if err != nil {
		c.callback.Close()
		return nil, err
	}
	return c, nil
}

// call calls a tool and returns its text.
func (c *client) call(ctx context.Context, tool string) (string, error) {
	params := &mcp.CallToolParams{Name: tool}
	if tool == "add_note" {
		params.Arguments = map[string]string{"text": "buy milk"}
	}
	result, err := c.session.CallTool(ctx, params)
	if err != nil {
		return "", err
	}
	content, ok := result.Content[0].(*mcp.TextContent)
	switch {
	case !ok:
		return "", errors.New("an answer without a text")
	case result.IsError:
		return "", errors.New(content.Text)
	}
	return content.Text, nil
}

func (c *client) Close() error { return errors.Join(c.session.Close(), c.callback.Close()) }
