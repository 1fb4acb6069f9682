// Command otel is an API that reports every check of an access token to
// OpenTelemetry. The function observer is for use elsewhere.
//
// It is a separate module: run it with "go -C examples/otel run ." from the root of the
// repository. It starts its own tenant, and prints a command to call it with. Metrics
// go to standard output, within five seconds after they have changed, and the log to
// standard error. PORT is the port to listen on, 3002 by default.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	port := cmp.Or(os.Getenv("PORT"), "3002")
	listener, err := net.Listen("tcp", "localhost:"+port)
	if err != nil {
		return fmt.Errorf("port %s cannot be used; set PORT to another one, such as PORT=3333: %w", port, err)
	}
	exporter, err := stdoutmetric.New(stdoutmetric.WithTemporalitySelector(delta))
	if err != nil {
		return err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(news{exporter}, sdkmetric.WithInterval(5*time.Second))))
	// Without a shutdown, the counts since the last export would be lost.
	defer func() { err = errors.Join(err, provider.Shutdown(context.WithoutCancel(ctx))) }()

	tenant, err := auth0test.Serve("127.0.0.1:0", "http://localhost:"+port)
	if err != nil {
		return err
	}
	defer tenant.Close()
	cfg := tenant.APIConfig(auth0test.Audience)
	// At this level the log has the error of a rejected token, which metrics must not have.
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if cfg.Observer, err = observer(provider.Meter("github.com/seed-15d5a55c/auth0")); err != nil {
		return err
	}
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		return err
	}

	fmt.Printf(`Tenant  embedded, at %s
Call    curl -i -H 'Authorization: Bearer %s' http://localhost:%s/api/members-only
        The same token is not enough for /api/protected.
        A DEMO WITH PUBLIC PASSWORDS AND KEYS: ANYBODY CAN GET A TOKEN
`, tenant.URL(), tenant.AccessToken(), port)
	server := &http.Server{Handler: routes(api), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(api *auth0.API) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /api/members-only", api.RequireAuth(answer("You have an access token for this API.")))
	mux.Handle("GET /api/protected", api.RequirePermissions("read:protected")(answer("You have the permission read:protected.")))
	return mux
}

func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"message": text})
	}
}

// news exports only changes since the last export, so that a developer can read them.
type news struct{ sdkmetric.Exporter }

func (n news) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	if len(metrics.ScopeMetrics) == 0 {
		return nil
	}
	return n.Exporter.Export(ctx, metrics)
}

func delta(sdkmetric.InstrumentKind) metricdata.Temporality { return metricdata.DeltaTemporality }
