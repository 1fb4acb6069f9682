package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-15d5a55c/auth0"
)

// observer returns the observer of an [auth0.APIConfig] or an [auth0.Config] that reports
// to OpenTelemetry. Attributes have few values, independent of the requests. With
// APIConfig.ResolveIssuer there are as many issuers as it trusts.
//
// It needs no tracer: the reason of a rejection goes to the span of the request, if a
// middleware such as otelhttp has started one.
func observer(meter metric.Meter) (auth0.Observer, error) {
	checks, err1 := meter.Int64Counter("auth0.token.checks", metric.WithUnit("{check}"),
		metric.WithDescription("Access tokens checked, and requests without one. Those denied were counted as ok before."))
	// The default boundaries are for milliseconds. A check takes microseconds,
	// unless it waits for keys.
	duration, err2 := meter.Float64Histogram("auth0.token.check.duration", metric.WithUnit("s"),
		metric.WithDescription("How long checks of access tokens took."),
		metric.WithExplicitBucketBoundaries(2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 5))
	fetches, err3 := meter.Int64Counter("auth0.keys.fetches", metric.WithUnit("{fetch}"),
		metric.WithDescription("Fetches of issuers' keys, and those that were wanted too often."))
	usable, err4 := meter.Int64Gauge("auth0.keys.usable", metric.WithUnit("{key}"),
		metric.WithDescription("Keys of an issuer that tokens can be checked with."))

	checked := func(ctx context.Context, e auth0.Event) {
		result, reason := attribute.String("outcome", outcome(e)), attribute.String("reason", e.Reason)
		cached := attribute.Bool("cached", e.Cached)
		checks.Add(ctx, 1, metric.WithAttributes(result, reason, attribute.String("issuer", e.Issuer), cached))
		// Without a token, and when a guard decides, nothing was timed. Twelve buckets for
		// every reason would be too many.
		if e.Duration > 0 {
			duration.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(result, cached))
		}
		// The key id and the error are not attributes: the number of their values has no
		// bound.
		if e.Status != 200 {
			trace.SpanFromContext(ctx).SetAttributes(attribute.String("auth0.reason", e.Reason))
		}
	}
	fetched := func(ctx context.Context, e auth0.Event) {
		issuer := attribute.String("issuer", e.Issuer)
		fetches.Add(ctx, 1, metric.WithAttributes(issuer, attribute.String("reason", e.Reason)))
		usable.Record(ctx, int64(e.Keys), metric.WithAttributes(issuer))
	}
	return func(ctx context.Context, e auth0.Event) {
		switch e.Kind {
		case auth0.TokenChecked, auth0.GuardRefused:
			checked(ctx, e)
		case auth0.KeysFetched:
			fetched(ctx, e)
		}
	}, errors.Join(err1, err2, err3, err4)
}

// outcome distinguishes results that call for different actions. To count the requests to
// an API, leave out denied, which follows an ok.
func outcome(e auth0.Event) string {
	switch {
	case e.Status == 200:
		return "ok"
	case e.Kind == auth0.GuardRefused: // the token is valid, and a guard requires more
		return "denied"
	case e.Reason == "canceled": // the client went away, or the server is shutting down
		return "canceled"
	case e.Status >= 500: // our fault or the tenant's; the token may be valid
		return "failed"
	}
	return "refused"
}
