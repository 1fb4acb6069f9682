package fetch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A network is a server and the connections to it, which can fail. It needs a bubble of
// synctest.
type network struct {
	accepted chan net.Conn
	once     sync.Once
	mu       sync.Mutex
	conns    []*mortalConn
	requests []*http.Request
	closing  bool // the server closes the connection instead of answering
	slow     time.Duration
}

// A mortalConn is the client's end of a connection whose peer can vanish. Writes are lost,
// and no data comes.
type mortalConn struct {
	net.Conn
	mu   sync.Mutex
	dead bool
}

func (c *mortalConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (n *network) Accept() (net.Conn, error) {
	if c, ok := <-n.accepted; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (n *network) Close() error   { n.once.Do(func() { close(n.accepted) }); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	c := &mortalConn{Conn: client}
	n.mu.Lock()
	n.conns = append(n.conns, c)
	n.mu.Unlock()
	n.accepted <- server
	return c, nil
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.requests = append(n.requests, r)
	closing, slow := n.closing, n.slow
	n.closing = false
	n.mu.Unlock()
	time.Sleep(slow)
	if closing {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprint(w, "{}")
}

func (n *network) set(closing bool, slow time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closing, n.slow = closing, slow
}

// vanish makes the peers of all connections vanish.
func (n *network) vanish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
	}
}

func (n *network) count() (conns, requests int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns), len(n.requests)
}

// newNetwork returns a network with a client of this package.
func newNetwork(t *testing.T, http2 bool) (*network, *http.Client) {
	n := &network{accepted: make(chan net.Conn)}
	s := httptest.NewUnstartedServer(n)
	s.Listener.Close()
	s.Listener, s.EnableHTTP2 = n, http2
	s.StartTLS()
	c := NewClient(nil, Options{})
	base := c.Transport.(transport).base.(*http.Transport)
	base.DialContext, base.Proxy, base.TLSClientConfig = n.dial, nil, s.Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(func() {
		base.CloseIdleConnections()
		s.Close()
	})
	return n, c
}

// inNetwork runs a test over HTTP/1.1 and over HTTP/2.
func inNetwork(t *testing.T, test func(t *testing.T, n *network, c *http.Client)) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, c := newNetwork(t, version == "HTTP/2")
				test(t, n, c)
			})
		})
	}
}

func request(t *testing.T, method string) *http.Request {
	t.Helper()
	var body io.Reader
	if method != "GET" {
		body = strings.NewReader("a=b")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://example.com/", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestClosedConnection: the server closes a used connection while the client writes the
// next request. A repeatable request reaches the server on another connection. Any other
// request fails.
func TestClosedConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method string
		repeatable   bool
		wantErr      bool
		requests     int // the first one, the lost one, its repetition
	}{
		{"GET", "GET", false, false, 3},
		{"POST", "POST", false, true, 2},
		{"POST that may be sent twice", "POST", true, false, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, c := newNetwork(t, false)
				if _, err := Do(c, request(t, "GET")); err != nil {
					t.Fatal(err)
				}
				n.set(true, 0)
				r := request(t, tt.method)
				if tt.repeatable {
					Repeatable(r.Header)
				}
				if _, err := Do(c, r); (err != nil) != tt.wantErr {
					t.Errorf("error %v", err)
				}
				if _, requests := n.count(); requests != tt.requests {
					t.Errorf("%d requests, want %d", requests, tt.requests)
				}
				for _, r := range n.requests {
					if _, sent := r.Header["Idempotency-Key"]; sent {
						t.Error("the mark was sent")
					}
				}
				// The next request works after each of these.
				if _, err := Do(c, request(t, "POST")); err != nil {
					t.Errorf("the next request: %v", err)
				}
			})
		})
	}
}

// TestVanishedPeer: the peers of all idle connections have vanished. One request finds out,
// within its time limit, and no other pays for it.
func TestVanishedPeer(t *testing.T) {
	t.Parallel()
	inNetwork(t, func(t *testing.T, n *network, c *http.Client) {
		n.set(false, time.Second)
		var wg sync.WaitGroup
		for range 4 { // at once, so that HTTP/1.1 has four connections
			wg.Go(func() {
				if _, err := Do(c, request(t, "GET")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n.set(false, 0)
		n.vanish()
		before, _ := n.count()
		begin := time.Now()
		if _, err := Do(c, request(t, "POST")); err == nil {
			t.Error("a dead connection answers")
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the first request took %v", took)
		}
		begin = time.Now()
		for _, method := range []string{"POST", "GET"} {
			if _, err := Do(c, request(t, method)); err != nil {
				t.Errorf("%s after it: %v", method, err)
			}
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("the requests after it took %v", took)
		}
		if conns, _ := n.count(); conns != before+1 {
			t.Errorf("%d connections, want one more than %d", conns, before)
		}
	})
}

// TestVanishedPeerOfBusyConnection: the connection is never idle, because requests follow
// each other closely. The client still gives it up.
func TestVanishedPeerOfBusyConnection(t *testing.T) {
	t.Parallel()
	inNetwork(t, func(t *testing.T, n *network, c *http.Client) {
		n.set(false, 1500*time.Millisecond)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var lastFailed time.Time // the start of the last failed request
		var vanished time.Time
		for i := range 60 {
			wg.Go(func() {
				begin := time.Now()
				if _, err := Do(c, request(t, "GET")); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if begin.After(lastFailed) {
						lastFailed = begin
					}
				}
			})
			if i == 10 {
				n.vanish()
				vanished = time.Now()
			}
			time.Sleep(500 * time.Millisecond)
		}
		wg.Wait()
		if lastFailed.IsZero() || lastFailed.Sub(vanished) > 5*time.Second {
			t.Errorf("requests failed until %v after the peer has vanished", lastFailed.Sub(vanished))
		}
	})
}

// TestIdleConnection: the client reuses a connection that was idle for a moment. It does
// not reuse one that was idle for longer than servers and routers keep it.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	inNetwork(t, func(t *testing.T, n *network, c *http.Client) {
		for _, step := range []struct {
			idle  time.Duration
			conns int
		}{{0, 1}, {10 * time.Second, 1}, {10 * time.Second, 1}, {30 * time.Second, 2}} {
			time.Sleep(step.idle)
			if _, err := Do(c, request(t, "POST")); err != nil {
				t.Fatal(err)
			}
			if conns, _ := n.count(); conns != step.conns {
				t.Errorf("after %v: %d connections, want %d", step.idle, conns, step.conns)
			}
		}
		n.vanish()
		time.Sleep(30 * time.Second)
		if _, err := Do(c, request(t, "POST")); err != nil {
			t.Errorf("after the peer vanished from an idle connection: %v", err)
		}
	})
}

// TestSlowAnswer: a slow peer is alive. The client keeps it until the time of a request is
// over.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	inNetwork(t, func(t *testing.T, n *network, c *http.Client) {
		n.set(false, 4900*time.Millisecond)
		for range 2 {
			if _, err := Do(c, request(t, "POST")); err != nil {
				t.Error(err)
			}
		}
		if conns, _ := n.count(); conns != 1 {
			t.Errorf("%d connections", conns)
		}
	})
}

// TestCanceledRequest: a caller that leaves proves nothing about the network.
func TestCanceledRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t, false)
		n.set(false, time.Second)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { Do(c, request(t, "GET")) })
		}
		wg.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := Do(c, request(t, "GET").WithContext(ctx)); err == nil {
			t.Fatal("no error")
		}
		reused := false
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
		if _, err := Do(c, request(t, "GET").WithContext(httptrace.WithClientTrace(t.Context(), trace))); err != nil || !reused {
			t.Errorf("%v; the other connection was used: %v", err, reused)
		}
	})
}
