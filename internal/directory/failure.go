package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

var errNoTenant = errors.New("Config.Domain is a URL; for an Auth0 tenant, set Config.TenantDomain (AUTH0_TENANT_DOMAIN), or set Config.Domain to its host name")

// unavailable joins the error of the Management API and those of other sources into one
// error for callers, which names the setting that causes the first, if any.
func unavailable(api error, others ...error) error {
	err := errors.Join(append([]error{api}, others...)...)
	e := refusal.Connections.Wrap(err)
	if answered, ok := tenanterror.Of(err); ok {
		e = answered.Refusal(refusal.Connections)
	}
	e.Err = err
	if remedy := remedy(api); remedy != "" {
		e.Err = fmt.Errorf("%w; %s (or choose another source of the list, see Strategy.GetConnections)", err, remedy)
	}
	return e
}

// remedy returns the change that the dashboard needs if the Management API rejects the
// request for a list, and an empty text for another failure.
func remedy(err error) string {
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
