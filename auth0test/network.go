package auth0test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// A network carries requests to handlers by host name, without sockets.
type network map[string]http.Handler

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	handler := n[r.URL.Host]
	if handler == nil {
		return nil, fmt.Errorf("auth0test: there is no host %q in this network", r.URL.Host)
	}
	inbound := inboundRequest(r)
	answer := newRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				answer.fault = fmt.Errorf("auth0test: the handler panicked: %v", p)
			}
		}()
		handler.ServeHTTP(answer, inbound)
	}()
	select {
	case <-done:
		return answer.response(r)
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// inboundRequest turns a request as a client sends it into one as a server
// receives it.
func inboundRequest(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.URL.Scheme, in.URL.Host, in.URL.Fragment = "", "", ""
	in.RemoteAddr = "192.0.2.1:1234"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// A recorder is an http.ResponseWriter in memory.
type recorder struct {
	header http.Header
	sent   http.Header // header at the time of WriteHeader
	status int
	body   bytes.Buffer
	fault  error
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush lets handlers stream. Here the response is read after the handler
// returns.
func (w *recorder) Flush() { w.WriteHeader(http.StatusOK) }

func (w *recorder) response(r *http.Request) (*http.Response, error) {
	if w.fault != nil {
		return nil, w.fault
	}
	w.WriteHeader(http.StatusOK)
	body := w.body.Bytes()
	if w.sent.Get("Content-Type") == "" && len(body) > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(body))
	}
	if r.Method == http.MethodHead {
		body = nil
	}
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}, nil
}
