package mcpauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/seed-15d5a55c/auth0"
)

// Calls are the tool calls in the body of a request.
type calls struct {
	tools []string
	id    json.RawMessage // of the call, if the body is that call alone
}

const (
	maxBatch = 64  // messages in an array
	maxID    = 256 // bytes of an id that an answer repeats
)

// callsOf reads a body: nothing, one JSON-RPC message, or an array of messages, which
// MCP had until version 2025-06-18. It is strict, because the SDK parses the same bytes
// again with another parser, and both must find the same calls.
func callsOf(body []byte) (calls, error) {
	if len(body) == 0 {
		return calls{}, nil
	}
	if !utf8.Valid(body) {
		return calls{}, malformed("the body is not UTF-8")
	}
	messages, alone, err := messagesOf(body)
	if err != nil {
		return calls{}, malformed("the body: %w", err)
	}
	var found calls
	for _, message := range messages {
		tool, id, err := toolOf(message)
		if err != nil {
			return calls{}, malformed("a message: %w", err)
		}
		if tool != "" {
			found.tools = append(found.tools, tool)
		}
		if alone {
			found.id = id
		}
	}
	return found, nil
}

func malformed(format string, args ...any) error {
	return &auth0.Error{Status: http.StatusBadRequest, Code: "invalid_request", Reason: "invalid_request", Description: "malformed request", Err: fmt.Errorf(format, args...)}
}

// messagesOf returns the messages of a body, and whether it is a single message.
func messagesOf(body []byte) (messages []json.RawMessage, alone bool, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		var message json.RawMessage
		if err := d.Decode(&message); err != nil {
			return nil, false, err
		}
		return []json.RawMessage{message}, true, end(d)
	}
	if _, err := d.Token(); err != nil {
		return nil, false, err
	}
	for d.More() {
		if len(messages) == maxBatch {
			return nil, false, fmt.Errorf("more than %d messages", maxBatch)
		}
		var message json.RawMessage
		if err := d.Decode(&message); err != nil {
			return nil, false, err
		}
		messages = append(messages, message)
	}
	if _, err := d.Token(); err != nil {
		return nil, false, err
	}
	return messages, false, end(d)
}

// end reports whether the input ends here.
func end(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// toolOf returns the tool that a message calls, empty for another message, and the id
// of the message.
func toolOf(message json.RawMessage) (tool string, id json.RawMessage, err error) {
	members, err := membersOf(message)
	if err != nil {
		return "", nil, err
	}
	id = members["id"]
	method, ok, err := textOf(members, "method")
	if err != nil || !ok || method != "tools/call" {
		return "", id, err
	}
	params, err := membersOf(members["params"])
	if err != nil {
		return "", nil, fmt.Errorf("params: %w", err)
	}
	tool, ok, err = textOf(params, "name")
	if err == nil && (!ok || tool == "") {
		err = errors.New("tools/call without the name of a tool")
	}
	return tool, id, err
}

// deciding are the names that identify a call.
var deciding = []string{"method", "params", "name"}

// textOf returns a member whose value must be a text.
func textOf(members map[string]json.RawMessage, name string) (text string, ok bool, err error) {
	raw, ok := members[name]
	if !ok {
		return "", false, nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", false, err
	}
	if text, ok = value.(string); !ok {
		return "", false, fmt.Errorf("the member %s is not a text", name)
	}
	return text, true, nil
}

// membersOf returns the members of a JSON object, by their exact names. A repeated name
// is an error. So is a name that only a case-folding parser would match to a deciding
// name: the SDK does not fold case, but encoding/json does.
func membersOf(object json.RawMessage) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("the member %.50q is there twice", name)
		}
		if slices.ContainsFunc(deciding, func(exact string) bool { return name != exact && strings.EqualFold(name, exact) }) {
			return nil, fmt.Errorf("the member %.50q is not in lower case", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	_, err := d.Token()
	return members, err
}

// An answer is the response to a request. If a call is rejected, its body is a JSON-RPC
// error. Clients of the SDK end their session after any other body.
type answer struct {
	http.ResponseWriter
	call  *call
	wrote bool
}

func (a *answer) WriteHeader(status int) {
	if a.call.refused != nil {
		a.Header().Set("Content-Type", "application/json")
		a.Header().Del("Content-Length")
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.call.refused == nil {
		return a.ResponseWriter.Write(p)
	}
	if !a.wrote {
		a.wrote = true
		if _, err := a.ResponseWriter.Write(errorBody(a.call.id, a.call.refused)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func errorBody(id json.RawMessage, err error) []byte {
	if len(id) == 0 || len(id) > maxID || id[0] == '{' || id[0] == '[' {
		id = json.RawMessage("null")
	}
	body, _ := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *jsonrpc.Error  `json:"error"`
	}{"2.0", id, rpcError(err)})
	return body
}

// refusedCall is the JSON-RPC code of a rejected call. The specification of JSON-RPC
// leaves -32000 to -32099 to servers. MCP has used some codes at the start of that
// range, and some from -32020 on.
const refusedCall = -32010

// rpcError returns the JSON-RPC error for a refusal. Its data are the members of the
// challenge.
func rpcError(err error) *jsonrpc.Error {
	e, ok := errors.AsType[*auth0.Error](err)
	if !ok {
		return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
	}
	data, _ := json.Marshal(struct {
		Code  string `json:"error"`
		Scope string `json:"scope,omitempty"`
	}{e.Code, e.Scope})
	return &jsonrpc.Error{Code: refusedCall, Message: e.Description, Data: data}
}
