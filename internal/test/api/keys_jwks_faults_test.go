package api_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A faultyNet is the network of a fixture with a fault, permanent or at times.
type faultyNet struct {
	good     http.RoundTripper
	mu       sync.Mutex
	fault    roundTripFunc
	requests int
	under    int // way
	most     int // under way at once
}

func (n *faultyNet) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.requests++
	n.under++
	n.most = max(n.most, n.under)
	fault := n.fault
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.under--
	}()
	if fault != nil {
		return fault(r)
	}
	return n.good.RoundTrip(r)
}

func (n *faultyNet) set(fault roundTripFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = fault
}

func (n *faultyNet) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.requests
}

// inFaultyNet is testkit.InAPIBubble with a faulty network.
func inFaultyNet(t *testing.T, test func(t *testing.T, f *testkit.APIEnv, n *faultyNet)) {
	t.Helper()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		n := &faultyNet{good: f.Net}
		f.Config.HTTPClient = &http.Client{Transport: n}
		api, err := auth0.NewAPI(f.Config)
		if err != nil {
			t.Fatal(err)
		}
		f.API = api
		test(t, f, n)
	})
}

// answer is a response with a body from a reader.
func answer(r *http.Request, body io.Reader) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r, Body: io.NopCloser(body)}
}

// A drip is a body that comes bit by bit. It ends with its request, as the body of a
// connection does.
type drip struct {
	ctx  context.Context
	next func() (byte, bool)
	wait time.Duration // before each byte; negative: no byte ever comes
}

func (d drip) Read(p []byte) (int, error) {
	wait := d.wait
	if wait < 0 {
		wait = 1000 * time.Hour
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	b, ok := d.next()
	if !ok || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = b
	return 1, nil
}

// A countingReader notes how many bytes of it were read.
type countingReader struct {
	io.Reader
	read *atomic.Int64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read.Add(int64(n))
	return n, err
}

// With cached keys, no caller notices a fault on the way to the issuer. The API
// sends few requests, and works again when the fault ends. Without keys it answers
// 503, in time.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	document, err := json.Marshal(map[string]any{"keys": []testkit.JWK{testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	half := string(document[:len(document)/2])
	fails := func(err error) roundTripFunc {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	body := func(from func(ctx context.Context) io.Reader) roundTripFunc {
		return func(r *http.Request) (*http.Response, error) { return answer(r, from(r.Context())), nil }
	}
	redirect := func(location string) roundTripFunc {
		return func(r *http.Request) (*http.Response, error) {
			resp := answer(r, strings.NewReader(string(document)))
			resp.StatusCode = http.StatusFound
			resp.Header.Set("Location", location)
			return resp, nil
		}
	}
	var elsewhere atomic.Int64 // requests to hosts that are not the issuer
	large := string(document) + strings.Repeat(" ", 12<<20)
	manyKeys := `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"x"},`, 10000), ",") + `]}`
	manyGoodKeys := `{"keys":[` + strings.TrimSuffix(strings.Repeat(string(document[9:len(document)-2])+",", 5000), ",") + `]}`
	for _, tt := range []struct {
		why     string
		fault   roundTripFunc
		longest time.Duration // that a request without keys waits
		most    int           // fetches in a minute
	}{
		{"name is not found", fails(&net.DNSError{Err: "no such host", Name: testkit.APIHost, IsNotFound: true}), 0, 7},
		{"name server is out of reach", fails(&net.DNSError{Err: "i/o timeout", Name: testkit.APIHost, IsTimeout: true}), 0, 7},
		{"connection is refused", fails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}), 0, 7},
		{"connection is reset", fails(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}), 0, 7},
		{"connection ends", fails(io.ErrUnexpectedEOF), 0, 7},
		{"black hole", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 5 * time.Second, 6},
		{"reset within the body", body(func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(half), testkit.ErrorReader{Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}})
		}), 0, 7},
		{"end within the body", body(func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(half), testkit.ErrorReader{Err: io.ErrUnexpectedEOF})
		}), 0, 7},
		{"hangs within the body", body(func(ctx context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(half), drip{ctx: ctx, wait: -1})
		}), 5 * time.Second, 6},
		{"one byte in a second", body(func(ctx context.Context) io.Reader {
			from := strings.NewReader(string(document))
			return drip{ctx, func() (byte, bool) { b, err := from.ReadByte(); return b, err == nil }, time.Second}
		}), 5 * time.Second, 6},
		{"12 MB", body(func(context.Context) io.Reader {
			return strings.NewReader(large)
		}), 0, 7},
		{"10,000 keys that are none", body(func(context.Context) io.Reader { return strings.NewReader(manyKeys) }), 0, 7},
		{"10,000 keys", body(func(context.Context) io.Reader { return strings.NewReader(manyGoodKeys) }), 0, 7},
		{"redirect to itself", redirect("/.well-known/jwks.json"), 0, 7},
		{"redirect to the machine's own metadata", redirect("http://169.254.169.254/latest/meta-data/"), 0, 7},
		{"redirect to another host", redirect("https://evil.example/.well-known/jwks.json"), 0, 7},
		{"redirect without encryption", redirect("http://t.example/.well-known/jwks.json"), 0, 7},
	} {
		fault := func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://t.example/.well-known/jwks.json" {
				elsewhere.Add(1)
			}
			return tt.fault(r)
		}
		t.Run(tt.why, func(t *testing.T) {
			inFaultyNet(t, func(t *testing.T, f *testkit.APIEnv, n *faultyNet) {
				n.set(fault)
				within(t, tt.longest, func() { f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerNoKeys) })
				within(t, 0, func() { f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerNoKeys) })
			})
			inFaultyNet(t, func(t *testing.T, f *testkit.APIEnv, n *faultyNet) {
				f.Warm(t)
				good := testkit.TokenOf("k1", testkit.RSAKey1())
				n.set(fault)
				time.Sleep(10 * time.Minute)
				before := n.count()
				within(t, time.Minute, func() {
					for range 3000 {
						if status := f.StatusOf(t.Context(), good); status != 200 {
							t.Fatalf("status %d, want 200", status)
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
				if fetches := n.count() - before; fetches < 2 || fetches > tt.most {
					t.Errorf("%d fetches in a minute, want 2 to %d", fetches, tt.most)
				}
				n.mu.Lock()
				most := n.most
				n.mu.Unlock()
				if most > 1 {
					t.Errorf("%d fetches are under way at once: they pile up", most)
				}
				if s := f.API.Status()[0]; s.Err == nil || s.Keys != 2 {
					t.Errorf("Status: %+v, want an error and two keys", s)
				}
				n.set(nil)
				time.Sleep(40 * time.Second) // the longest pause, and the time limit of a fetch
				f.ExpectToken(t, good, testkit.AnswerOK)
				synctest.Wait()
				if s := f.API.Status()[0]; s.Err != nil {
					t.Errorf("Status after the fault: %v", s.Err)
				}
			})
			if n := elsewhere.Load(); n != 0 {
				t.Errorf("%d requests elsewhere, want none", n)
			}
		})
	}
}

// The API reads a document up to its limit, and no further.
func TestLargeDocumentIsNotRead(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	f := testkit.NewAPIEnv(t)
	f.Config.HTTPClient = &http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
		return answer(r, countingReader{strings.NewReader(`{"keys":[],"x":"` + strings.Repeat("x", 12<<20)), &read}), nil
	})}
	api, err := auth0.NewAPI(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	f.ExpectWhole(t, api.RequireAuth(f), testkit.BearerRequest(testkit.GoodToken()), testkit.AnswerNoKeys)
	if n := read.Load(); n > 1<<20+1 {
		t.Errorf("%d bytes were read, want at most 1 MiB and one", n)
	}
}

// Half of all requests are lost for an hour. Every valid token is accepted.
func TestHalfOfTheRequestsAreLost(t *testing.T) {
	t.Parallel()
	inFaultyNet(t, func(t *testing.T, f *testkit.APIEnv, n *faultyNet) {
		f.Warm(t)
		good := testkit.TokenOf("k1", testkit.RSAKey1())
		n.set(func(r *http.Request) (*http.Response, error) {
			if n.count()%2 == 0 {
				return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
			}
			return f.Net.RoundTrip(r)
		})
		within(t, time.Hour, func() {
			for range 3600 {
				within(t, 0, func() {
					if status := f.StatusOf(t.Context(), good); status != 200 {
						t.Fatalf("status %d, want 200", status)
					}
				})
				time.Sleep(time.Second)
			}
		})
		if fetches := n.count(); fetches > 30 {
			t.Errorf("%d fetches in an hour, want about two in five minutes", fetches)
		}
	})
}

// An issuer that takes nearly its whole time limit is slow for the first caller
// alone.
func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Tenant.Delay(testkit.JWKSEndpoint, 4900*time.Millisecond)
		good := testkit.TokenOf("k1", testkit.RSAKey1())
		within(t, 4900*time.Millisecond, func() { f.ExpectToken(t, good, testkit.AnswerOK) })
		for range 3600 {
			within(t, 0, func() {
				if status := f.StatusOf(t.Context(), good); status != 200 {
					t.Fatalf("status %d, want 200", status)
				}
			})
			time.Sleep(time.Second)
		}
		if n := f.Fetches(); n < 10 || n > 13 {
			t.Errorf("%d fetches in an hour, want one in five to six minutes", n)
		}
	})
}

// An issuer that asks to be left alone is, also while keys are cached.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header string
		pause  time.Duration
	}{{"50", 50 * time.Second}, {"86400", time.Minute}} {
		t.Run(tt.header, func(t *testing.T) {
			testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
				f.Warm(t)
				good := testkit.TokenOf("k1", testkit.RSAKey1())
				f.Tenant.Replace(testkit.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(http.StatusTooManyRequests)
				})
				time.Sleep(10 * time.Minute)
				f.StatusOf(t.Context(), good)
				synctest.Wait()
				f.ExpectFetches(t, 2)
				for range int(tt.pause / time.Second) {
					if status := f.StatusOf(t.Context(), good); status != 200 {
						t.Fatalf("status %d, want 200", status)
					}
					f.StatusOf(t.Context(), testkit.Unverifiable("forged"))
					time.Sleep(time.Second)
				}
				f.ExpectFetches(t, 2)
				f.StatusOf(t.Context(), good)
				synctest.Wait()
				f.ExpectFetches(t, 3)
			})
		})
	}
}

// Strangers can make up key ids, from many places and for long. It costs the issuer
// one request in half a minute, and the users of valid tokens nothing.
func TestFloodOfForgedKeyIDs(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		f.Tenant.Delay(testkit.JWKSEndpoint, 50*time.Millisecond)
		good := []string{testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k2", testkit.RSAKey2())}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for j := range 60 {
					if status := f.StatusOf(t.Context(), testkit.Unverifiable(fmt.Sprint("forged", i, "-", j))); status != 401 {
						t.Errorf("forged: status %d, want 401", status)
					}
					time.Sleep(time.Second)
				}
			})
		}
		for i := range 6000 {
			within(t, 0, func() {
				if status := f.StatusOf(t.Context(), good[i%2]); status != 200 {
					t.Fatalf("status %d, want 200", status)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		if n := f.Fetches(); n > 1+2+2 {
			t.Errorf("%d fetches, want at most one to begin with, two at once, and two in the minute", n)
		}
	})
}

// A revoked key is rejected after the next fetch, however busy the API is and
// however often its token was accepted.
func TestRevokedKeyInTime(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		revoked, good := testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k2", testkit.RSAKey2())
		f.Publish(testkit.RSAJWK("k2", &testkit.RSAKey2().PublicKey))
		begin := time.Now()
		for f.StatusOf(t.Context(), revoked) == 200 && time.Since(begin) < time.Hour {
			if status := f.StatusOf(t.Context(), good); status != 200 {
				t.Fatalf("status %d, want 200", status)
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(begin); took > 6*time.Minute+time.Second {
			t.Errorf("the token of a revoked key was good for %v, want at most 6m1s", took)
		}
		f.ExpectToken(t, revoked, testkit.AnswerUnknownKey)
		f.ExpectToken(t, good, testkit.AnswerOK)
	})
}

// Tokens go by the wall clock, keys by the monotonic one.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var offset time.Duration
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Now = func() time.Time { return time.Now().Add(offset) } })
		good := testkit.TokenOf("k1", testkit.RSAKey1()) // for three days
		f.Warm(t)
		for _, tt := range []struct {
			offset time.Duration
			want   testkit.Answer
		}{
			{time.Hour, testkit.AnswerOK},
			{0, testkit.AnswerOK},
			{-time.Hour, testkit.AnswerNotYet},
			{24 * time.Hour, testkit.AnswerOK},
			{-24 * time.Hour, testkit.AnswerNotYet},
			{96 * time.Hour, testkit.AnswerExpired},
			{-100 * 365 * 24 * time.Hour, testkit.AnswerNotYet},
			{100 * 365 * 24 * time.Hour, testkit.AnswerExpired},
			{0, testkit.AnswerOK},
		} {
			offset = tt.offset
			for range 20 {
				f.ExpectToken(t, good, tt.want)
				time.Sleep(time.Second)
			}
		}
		synctest.Wait()
		f.ExpectFetches(t, 1) // three minutes have passed, for the keys
		time.Sleep(6 * time.Second)
	})
}

// Processes that were started together spread their requests after a while.
func TestManyReplicas(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		good := testkit.TokenOf("k1", testkit.RSAKey1())
		begin := time.Now()
		var mu sync.Mutex
		perSecond := map[int]int{}
		f.Config.Observer = func(_ context.Context, e auth0.Event) {
			if e.Kind != auth0.KeysFetched {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			perSecond[int(time.Since(begin).Seconds())]++
		}
		var replicas []*auth0.API
		for range 64 {
			api, err := auth0.NewAPI(f.Config)
			if err != nil {
				t.Fatal(err)
			}
			replicas = append(replicas, api)
		}
		for range 20 * 60 {
			for _, api := range replicas {
				if _, err := api.Verify(t.Context(), good); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		all := 0
		for second, n := range perSecond {
			if all += n; second > 0 && n > 10 {
				t.Errorf("%d of 64 replicas asked in second %d, want at most 10", n, second)
			}
		}
		if perSecond[0] != 64 || all < 3*64 || all > 5*64 {
			t.Errorf("%d fetches at once and %d in all, want 64 and 192 to 320", perSecond[0], all)
		}
	})
}

// A day of outage costs the issuer one request in half a minute at most, also while
// an attacker makes up key ids.
func TestOutageOfADay(t *testing.T) {
	t.Parallel()
	testkit.InAPIBubble(t, func(t *testing.T, f *testkit.APIEnv) {
		f.Warm(t)
		good := testkit.TokenOf("k1", testkit.RSAKey1())
		f.Tenant.Fail(testkit.JWKSEndpoint, 500)
		begin := time.Now()
		for i := 0; time.Since(begin) < 24*time.Hour-time.Minute; i++ {
			if status := f.StatusOf(t.Context(), good); status != 200 {
				t.Fatalf("status %d after %v, want 200", status, time.Since(begin))
			}
			if i%10 == 0 {
				f.StatusOf(t.Context(), testkit.Unverifiable(strconv.Itoa(i)))
			}
			time.Sleep(5 * time.Second)
		}
		// 1, 2, 4, 8 and 16 seconds, and from then on 30 seconds and up to a
		// tenth more.
		if n := f.Fetches() - 1; n < 2000 || n > 24*60*2+5 {
			t.Errorf("%d fetches in a day of outage, want at most %d", n, 24*60*2+5)
		}
		time.Sleep(2 * time.Minute)
		f.ExpectToken(t, good, testkit.AnswerNoKeys)
		f.Tenant.Fail(testkit.JWKSEndpoint, 0)
		time.Sleep(34 * time.Second)
		f.ExpectToken(t, good, testkit.AnswerOK)
	})
}

// A provider can move its keys.
func TestKeysMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain, c.Now = testkit.APIIssuer, nil })
		good, moved := testkit.TokenOf("k1", testkit.RSAKey1()), testkit.TokenOf("k3", testkit.RSAForeign())
		f.Warm(t)
		f.Net.Handle(testkit.APIHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/new/keys" {
				io.WriteString(w, jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey), testkit.RSAJWK("k3", &testkit.RSAForeign().PublicKey)))
				return
			}
			f.Tenant.ServeHTTP(w, r)
		}))
		f.Tenant.EditDiscovery(func(doc map[string]any) { doc["jwks_uri"] = testkit.APIIssuer + "new/keys" })
		begin := time.Now()
		for f.StatusOf(t.Context(), moved) != 200 && time.Since(begin) < 24*time.Hour {
			if status := f.StatusOf(t.Context(), good); status != 200 {
				t.Fatalf("status %d, want 200", status)
			}
			time.Sleep(20 * time.Second)
		}
		if took := time.Since(begin); took > 20*time.Minute {
			t.Errorf("the keys were found after %v, want at most 20m", took)
		}
		// A document that names another URL is trusted no more than the first.
		f.Tenant.EditDiscovery(func(doc map[string]any) { doc["jwks_uri"] = "https://evil.example/keys" })
		for range 60 {
			if status := f.StatusOf(t.Context(), moved); status != 200 {
				t.Fatalf("status %d, want 200", status)
			}
			time.Sleep(time.Minute)
		}
		for _, host := range f.HostsAsked() {
			if host != testkit.APIHost {
				t.Errorf("request to %s", host)
			}
		}
		time.Sleep(6 * time.Second)
	})
}

// The certificate alone distinguishes the issuer from an attacker on the way to it.
func TestCertificateOfIssuer(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	now := time.Now()
	year := 365 * 24 * time.Hour
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, tt := range []struct {
		why        string
		ips        []net.IP
		from, to   time.Time
		roots      *x509.CertPool // the system's if nil
		maxVersion uint16
		want       int
	}{
		{"good", local, now.Add(-year), now.Add(year), ca.pool, 0, 200},
		{"unknown authority", local, now.Add(-year), now.Add(year), nil, 0, 503},
		{"another authority", local, now.Add(-year), now.Add(year), newAuthority(t).pool, 0, 503},
		{"expired", local, now.Add(-year), now.Add(-time.Hour), ca.pool, 0, 503},
		{"not valid yet", local, now.Add(time.Hour), now.Add(year), ca.pool, 0, 503},
		{"of another host", []net.IP{net.IPv4(127, 0, 0, 2)}, now.Add(-year), now.Add(year), ca.pool, 0, 503},
		{"of no host", nil, now.Add(-year), now.Add(year), ca.pool, 0, 503},
		{"old version of TLS", local, now.Add(-year), now.Add(year), ca.pool, tls.VersionTLS11, 503},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var served atomic.Int64
			var base string
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				served.Add(1)
				if strings.HasSuffix(r.URL.Path, "openid-configuration") {
					fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%[1]q,"token_endpoint":%[1]q,"jwks_uri":%q}`, base, base+"/keys")
					return
				}
				io.WriteString(w, jwksOf(t, testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey)))
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.certificate(t, tt.ips, tt.from, tt.to)}, MinVersion: tls.VersionTLS10, MaxVersion: tt.maxVersion}
			server.StartTLS()
			defer server.Close()
			base = server.URL
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: tt.roots}}
			defer transport.CloseIdleConnections()
			f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) {
				c.Domain, c.HTTPClient = base, &http.Client{Transport: transport}
			})
			token := testkit.IssuedBy(base, testkit.RSAKey1())
			if status := f.StatusOf(t.Context(), token); status != tt.want {
				t.Errorf("status %d, want %d: %s", status, tt.want, f.Log.Take())
			}
			if n := served.Load(); (n == 0) != (tt.want == 503) {
				t.Errorf("%d requests were made", n)
			}
		})
	}
	// The library's own client checks as strictly.
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Domain, c.HTTPClient = server.URL, nil })
	_, err := f.API.Verify(t.Context(), testkit.IssuedBy(server.URL, testkit.RSAKey1()))
	if e := (*tls.CertificateVerificationError)(nil); !errors.As(err, &e) || !errors.Is(err, auth0.ErrKeysUnavailable) {
		t.Errorf("got %v, want an error about the certificate", err)
	}
}

// An authority signs certificates for tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: testkit.NewECKey(testkit.ECKey().Curve), pool: x509.NewCertPool()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * 365 * time.Hour), NotAfter: time.Now().Add(48 * 365 * time.Hour)}
	a.cert = a.sign(t, template, template, &a.key.PublicKey)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t *testing.T, template, parent *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) certificate(t *testing.T, ips []net.IP, from, to time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "issuer"}, IPAddresses: ips,
		NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	cert := a.sign(t, template, a.cert, &testkit.ECKey().PublicKey)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: testkit.ECKey()}
}

// TestStaleEdge: a cache in front of the keys answers for 15 seconds, although the
// request has no-cache. A key that was not announced signs its first token in that time.
// The token is good as soon as the cache asks the issuer again.
func TestStaleEdge(t *testing.T) {
	t.Parallel()
	inFaultyNet(t, func(t *testing.T, f *testkit.APIEnv, n *faultyNet) {
		var mu sync.Mutex
		var body []byte
		var at time.Time
		n.set(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if body == nil || time.Since(at) >= 15*time.Second {
				resp, err := n.good.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				if body, err = io.ReadAll(resp.Body); err != nil {
					return nil, err
				}
				at = time.Now()
			}
			resp := answer(r, strings.NewReader(string(body)))
			resp.Header.Set("Cache-Control", "public, max-age=15")
			resp.Header.Set("Age", strconv.Itoa(int(time.Since(at)/time.Second)))
			return resp, nil
		})
		f.ExpectToken(t, testkit.TokenOf("k1", testkit.RSAKey1()), testkit.AnswerOK)
		time.Sleep(4 * time.Second)
		f.Publish(testkit.RSAJWK("k3", &testkit.RSAKey2().PublicKey))
		for range 11 {
			f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerUnknownKey)
			time.Sleep(time.Second)
		}
		f.ExpectToken(t, testkit.TokenOf("k3", testkit.RSAKey2()), testkit.AnswerOK)
		if got := n.count(); got != 3 {
			t.Errorf("%d requests for keys, want the first, one for the new kid, and one when the cache is old", got)
		}
	})
}
