package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

const issuer = "https://acme.auth0.example/"

// closed lists all accepted values of attributes.
var closed = map[attribute.Key][]string{
	"outcome": {"ok", "refused", "denied", "failed", "canceled"},
	"issuer":  {"", issuer},
	"cached":  {"true", "false"},
	"reason": {
		"ok", "missing_token", "invalid_request", "keys_unavailable", "insufficient_scope", "insufficient_permissions",
		"claim_requirement", "forbidden", "organization", "insufficient_user_authentication", "misconfigured", "internal",
		"canceled", "unavailable", "token_malformed", "token_too_large", "invalid_alg", "unsupported_crit", "invalid_type", "unknown_kid",
		"key_unusable", "ambiguous_kid", "invalid_signature", "token_too_old", "token_expired", "token_not_yet_valid",
		"issued_in_future", "invalid_issuer", "invalid_audience", "invalid_claim", "dpop_required",
		"fetched", "rotated", "failed", "throttled",
	},
}

// Inside a bubble only sleeping takes time. These times are powers of two in seconds, so
// that their sums are exact.
const (
	checkTime = 125 * time.Millisecond
	fetchTime = 250 * time.Millisecond
)

func TestObserver(t *testing.T) { synctest.Test(t, testObserver) }

func testObserver(t *testing.T) {
	f := newFixture(t)
	tenant := f.tenant
	good := tenant.AccessToken()
	madeUp := func(id string) string { return tenant.AccessToken(auth0test.Header("kid", id)) }
	rotated := ""

	steps := []struct {
		name   string
		before func()
		path   string
		token  func() string
		status int
		reason string // on the span
		want   []string
	}{{
		name:   "no keys can be had",
		before: func() { tenant.FailJWKS(503) },
		path:   "/api/members-only", token: func() string { return good }, status: 503, reason: "keys_unavailable",
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=failed} 1",
			"auth0.keys.usable{issuer=I} 0",
			"auth0.token.check.duration{cached=false,outcome=failed} 1 in 0.375 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=failed,reason=keys_unavailable} 1",
		},
	}, {
		name:   "good token",
		before: func() { tenant.FailJWKS(0); time.Sleep(time.Minute) },
		path:   "/api/members-only", token: func() string { return good }, status: 200,
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=fetched} 1",
			"auth0.keys.usable{issuer=I} 2",
			"auth0.token.check.duration{cached=false,outcome=ok} 1 in 0.375 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=ok,reason=ok} 1",
		},
	}, {
		name: "the same again",
		path: "/api/members-only", token: func() string { return good }, status: 200,
		want: []string{
			"auth0.token.check.duration{cached=true,outcome=ok} 1 in 0.125 s",
			"auth0.token.checks{cached=true,issuer=I,outcome=ok,reason=ok} 1",
		},
	}, {
		name: "expired",
		path: "/api/members-only", token: func() string { return tenant.AccessToken(auth0test.ExpiresIn(-time.Hour)) },
		status: 401, reason: "token_expired",
		want: []string{
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=refused,reason=token_expired} 1",
		},
	}, {
		name: "no token",
		path: "/api/members-only", token: func() string { return "" }, status: 401, reason: "missing_token",
		want: []string{
			"auth0.token.checks{cached=false,issuer=,outcome=refused,reason=missing_token} 1",
		},
	}, {
		name: "good token, but not for this",
		path: "/api/protected", token: func() string { return good }, status: 403, reason: "insufficient_permissions",
		want: []string{
			"auth0.token.check.duration{cached=true,outcome=ok} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=denied,reason=insufficient_permissions} 1",
			"auth0.token.checks{cached=true,issuer=I,outcome=ok,reason=ok} 1",
		},
	}, {
		name:   "rotation to a key that was announced",
		before: func() { tenant.RotateKeys(); rotated = tenant.AccessToken() },
		path:   "/api/members-only", token: func() string { return rotated }, status: 200,
		want: []string{
			"auth0.token.check.duration{cached=false,outcome=ok} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=ok,reason=ok} 1",
		},
	}, {
		name:   "rotation to a key that was not",
		before: func() { tenant.RotateKeys(); rotated = tenant.AccessToken() },
		path:   "/api/members-only", token: func() string { return rotated }, status: 200,
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=rotated} 1",
			"auth0.keys.usable{issuer=I} 4",
			"auth0.token.check.duration{cached=false,outcome=ok} 1 in 0.375 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=ok,reason=ok} 1",
		},
	}, {
		name:   "made-up key id while keys cannot be had",
		before: func() { tenant.FailJWKS(503) },
		path:   "/api/members-only", token: func() string { return madeUp("first") }, status: 401, reason: "unknown_kid",
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=failed} 1",
			"auth0.keys.usable{issuer=I} 4",
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.375 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=refused,reason=unknown_kid} 1",
		},
	}, {
		name:   "made-up key id",
		before: func() { tenant.FailJWKS(0); time.Sleep(2 * time.Second) },
		path:   "/api/members-only", token: func() string { return madeUp("second") }, status: 401, reason: "unknown_kid",
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=fetched} 1",
			"auth0.keys.usable{issuer=I} 4",
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.375 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=refused,reason=unknown_kid} 1",
		},
	}, {
		name: "one made-up key id too many",
		path: "/api/members-only", token: func() string { return madeUp("third") }, status: 401, reason: "unknown_kid",
		want: []string{
			"auth0.keys.fetches{issuer=I,reason=throttled} 1",
			"auth0.keys.usable{issuer=I} 4",
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=refused,reason=unknown_kid} 1",
		},
	}, {
		name: "foreign issuer",
		path: "/api/members-only", token: func() string { return tenant.AccessToken(auth0test.Claim("iss", "https://made-up.example/")) },
		status: 401, reason: "invalid_issuer",
		want: []string{
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=,outcome=refused,reason=invalid_issuer} 1",
		},
	}, {
		name: "nothing like a token",
		path: "/api/members-only", token: func() string { return "made-up" }, status: 401, reason: "token_malformed",
		want: []string{
			"auth0.token.check.duration{cached=false,outcome=refused} 1 in 0.125 s",
			"auth0.token.checks{cached=false,issuer=,outcome=refused,reason=token_malformed} 1",
		},
	}, {
		name:   "a token that was good has expired",
		before: func() { time.Sleep(2 * time.Hour) },
		path:   "/api/members-only", token: func() string { return rotated }, status: 401, reason: "token_expired",
		want: []string{
			// The keys are stale, and the API fetches them in the background.
			"auth0.keys.fetches{issuer=I,reason=fetched} 1",
			"auth0.keys.usable{issuer=I} 4",
			"auth0.token.check.duration{cached=true,outcome=refused} 1 in 0.125 s",
			"auth0.token.checks{cached=true,issuer=I,outcome=refused,reason=token_expired} 1",
		},
	}}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		token := s.token()
		status, span := f.call(t, s.path, token)
		if status != s.status {
			t.Errorf("%s: status %d, want %d", s.name, status, s.status)
		}
		var wantSpan []attribute.KeyValue
		if s.reason != "" {
			wantSpan = []attribute.KeyValue{attribute.String("auth0.reason", s.reason)}
		}
		if got := span.Attributes(); !slices.Equal(got, wantSpan) {
			t.Errorf("%s: span has %v, want %v", s.name, got, wantSpan)
		}
		time.Sleep(time.Second) // for the background fetch
		points := f.collect(t)
		if got := lines(points); !slices.Equal(got, s.want) {
			t.Errorf("%s:\n%s\nwant\n%s", s.name, strings.Join(got, "\n"), strings.Join(s.want, "\n"))
		}
		checkClosed(t, s.name, token, points)
	}
}

// A canceled request says nothing about its token.
func TestObserverCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(checkTime+fetchTime/2, cancel)
		if _, err := f.api.Verify(ctx, f.tenant.AccessToken()); err == nil {
			t.Error("no error")
		}
		time.Sleep(time.Second)
		points := f.collect(t)
		want := []string{
			"auth0.keys.fetches{issuer=I,reason=fetched} 1",
			"auth0.keys.usable{issuer=I} 2",
			"auth0.token.check.duration{cached=false,outcome=canceled} 1 in 0.25 s",
			"auth0.token.checks{cached=false,issuer=I,outcome=canceled,reason=canceled} 1",
		}
		if got := lines(points); !slices.Equal(got, want) {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		checkClosed(t, "canceled", "", points)
	})
}

type fixture struct {
	tenant  *auth0test.Tenant
	api     *auth0.API
	handler http.Handler
	reader  *sdkmetric.ManualReader
	spans   *tracetest.SpanRecorder
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{tenant: auth0test.NewTenant(t), spans: tracetest.NewSpanRecorder()}
	// With deltas, also of gauges, a collection has the values of one step.
	f.reader = sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality {
		return metricdata.DeltaTemporality
	}))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(f.reader))
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(f.spans)).Tracer("test")

	cfg := f.tenant.APIConfig(auth0test.Audience)
	cfg.Now = func() time.Time {
		time.Sleep(checkTime) // every check reads the time once
		return time.Now()
	}
	f.tenant.Delay(auth0test.JWKS, fetchTime)
	var err error
	if cfg.Observer, err = observer(meters.Meter("test")); err != nil {
		t.Fatal(err)
	}
	if f.api, err = auth0.NewAPI(cfg); err != nil {
		t.Fatal(err)
	}
	next := routes(f.api)
	f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), "request")
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
	return f
}

func (f *fixture) call(t *testing.T, path, token string) (status int, span sdktrace.ReadOnlySpan) {
	r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	ended := f.spans.Ended()
	return w.Code, ended[len(ended)-1]
}

// A point is a data point of any kind.
type point struct {
	name       string
	attributes attribute.Set
	value      string
}

func (f *fixture) collect(t *testing.T) (points []point) {
	var all metricdata.ResourceMetrics
	if err := f.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					points = append(points, point{m.Name, p.Attributes, fmt.Sprint(p.Value)})
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					points = append(points, point{m.Name, p.Attributes, fmt.Sprint(p.Value)})
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					points = append(points, point{m.Name, p.Attributes, fmt.Sprintf("%d in %v s", p.Count, p.Sum)})
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return points
}

// lines returns the points as text, with I for the issuer.
func lines(points []point) (list []string) {
	for _, p := range points {
		var attributes []string
		for _, kv := range p.attributes.ToSlice() {
			attributes = append(attributes, string(kv.Key)+"="+strings.ReplaceAll(kv.Value.String(), issuer, "I"))
		}
		list = append(list, p.name+"{"+strings.Join(attributes, ",")+"} "+p.value)
	}
	slices.Sort(list)
	return list
}

func checkClosed(t *testing.T, step, token string, points []point) {
	for _, p := range points {
		for _, kv := range p.attributes.ToSlice() {
			value := kv.Value.String()
			if !slices.Contains(closed[kv.Key], value) {
				t.Errorf("%s: %s has %s=%q", step, p.name, kv.Key, value)
			}
			for part := range strings.SplitSeq(token, ".") {
				if part != "" && strings.Contains(value, part) {
					t.Errorf("%s: %s has a part of the token in %s", step, p.name, kv.Key)
				}
			}
		}
	}
}

// A counting exporter counts its exports.
type counting struct {
	sdkmetric.Exporter
	exports int
}

func (*counting) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality { return delta(k) }
func (*counting) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (*counting) ForceFlush(context.Context) error { return nil }
func (*counting) Shutdown(context.Context) error   { return nil }
func (c *counting) Export(context.Context, *metricdata.ResourceMetrics) error {
	c.exports++
	return nil
}

// TestNews: a program that does nothing prints nothing.
func TestNews(t *testing.T) {
	exporter := &counting{}
	reader := sdkmetric.NewPeriodicReader(news{exporter}, sdkmetric.WithInterval(time.Hour))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	observe, err := observer(provider.Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 1, 2, 2} {
		if i%2 == 1 {
			observe(t.Context(), auth0.Event{Kind: auth0.TokenChecked, Status: 200, Reason: "ok"})
		}
		if err := provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if exporter.exports != want {
			t.Errorf("%d exports after step %d, want %d", exporter.exports, i, want)
		}
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
