package mcpauth

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// FuzzCalls: in an accepted body, the SDK's parser finds the same calls.
func FuzzCalls(f *testing.F) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},{"jsonrpc":"2.0","id":"x","result":{}}]`,
		`{"jsonrpc":"2.0","id":1,"\u006dethod":"tools\/call","params":{"n\u0061me":"\u0061"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\ud800"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud83d\ude00"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000","params":{"name":"a"}}`,
		`{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"Name":"a"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping"} `,
		"\n[]",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := callsOf(body)
		if err != nil || len(body) == 0 {
			return
		}
		var messages []json.RawMessage
		if json.Unmarshal(body, &messages) != nil {
			messages = []json.RawMessage{body}
		}
		var tools []string
		for _, message := range messages {
			decoded, err := jsonrpc.DecodeMessage(message)
			if err != nil {
				return // the SDK rejects the whole body
			}
			request, ok := decoded.(*jsonrpc.Request)
			if !ok || request.Method != "tools/call" {
				continue
			}
			tools = append(tools, nameRead(t, request.Params))
		}
		if !slices.Equal(found.tools, tools) {
			t.Errorf("%q: calls of %q, and for the SDK of %q", body, found.tools, tools)
		}
	})
}

// nameRead returns the name of a tool as the SDK reads it: the last member with the exact
// name.
func nameRead(t *testing.T, params json.RawMessage) string {
	t.Helper()
	members := map[string]json.RawMessage{}
	if err := json.NewDecoder(bytes.NewReader(params)).Decode(&members); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := json.Unmarshal(members["name"], &name); err != nil {
		t.Fatal(err)
	}
	return name
}

var _ mcp.Middleware = (*Guard)(nil).Middleware
