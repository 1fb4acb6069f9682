package directory

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// Remedy returns the change that the dashboard needs if the Management API rejects the
// request for a list, and an empty text for another failure.
func Remedy(err error) string {
	const where = "in the dashboard under Applications, APIs, Auth0 Management API, "
	answered, ok := tenanterror.Of(err)
	if !ok {
		return ""
	}
	if _, unknown := tenanterror.UnknownAudience(answered.Code, answered.Description); unknown {
		return "" // the error has the advice for a custom domain
	}
	if _, fromTokenEndpoint := errors.AsType[tenanterror.Error](err); fromTokenEndpoint {
		meaning, _ := errors.AsType[*refusal.Refusal](tenanterror.Meaning(tenanterror.AppToken, answered))
		if meaning == nil || meaning.Reason != refusal.Grant.Reason {
			return ""
		}
		return where + "authorize the application with the scopes read:connections and read:clients"
	}
	if answered.Status == http.StatusForbidden {
		return where + "grant the application the scopes read:connections and read:clients"
	}
	return ""
}

// LogFailures returns a function for [Config].Failed. It logs each cause once an hour at
// level Warn, because a cause can last as long as the application runs.
func LogFailures(log *slog.Logger) func(err error, stale bool) {
	var mu sync.Mutex
	var last string
	var at time.Time
	return func(err error, stale bool) {
		mu.Lock()
		defer mu.Unlock()
		level := slog.LevelDebug
		if text, now := err.Error(), time.Now(); text != last || now.Sub(at) >= time.Hour {
			level, last, at = slog.LevelWarn, text, now
		}
		log.Log(context.Background(), level, "auth0: connections cannot be listed", "err", err, "using_old_list", stale)
	}
}
