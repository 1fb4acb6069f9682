package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// clientFiles answers with the public client files.
type clientFiles struct {
	*site
	directory *directory
}

// serveClientFile answers with the public description of an application that
// login widgets read: its active connections, grouped by strategy, as a call of
// Auth0.setClient.
func (cf *clientFiles) serveClientFile(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, cf.path), "/client/")
	client, ok := cf.directory.client(strings.TrimSuffix(name, ".js"))
	if !ok {
		// The file is served by an object store, which does not tell missing
		// from forbidden.
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"))
		return
	}
	text, err := json.Marshal(cf.clientFile(client)) // escapes what HTML and JavaScript would trip over
	if err != nil {
		writeText(w, http.StatusInternalServerError, "Internal Server Error") // unreachable: Add functions clone as JSON
		return
	}
	w.Header().Set("Content-Type", "application/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte("Auth0.setClient(" + string(text) + ");"))
}

type clientFile struct {
	ID                string         `json:"id"`
	Tenant            string         `json:"tenant"`
	Subscription      string         `json:"subscription"`
	Authorize         string         `json:"authorize"`
	Callback          string         `json:"callback"`
	HasAllowedOrigins bool           `json:"hasAllowedOrigins"`
	Strategies        []fileStrategy `json:"strategies"`
}

type fileStrategy struct {
	Name        string           `json:"name"`
	Connections []map[string]any `json:"connections"`
}

func (cf *clientFiles) clientFile(c *Client) clientFile {
	name, _, _ := strings.Cut(cf.host, ".")
	file := clientFile{
		ID:                c.ID,
		Tenant:            name,
		Subscription:      "enterprise",
		Authorize:         cf.base + "/authorize",
		HasAllowedOrigins: len(c.CallbackURLs) > 0,
		Strategies:        []fileStrategy{},
	}
	if len(c.CallbackURLs) > 0 {
		file.Callback = c.CallbackURLs[0]
	}
	for _, conn := range cf.directory.enabledConnections(&authorization{client: c}) {
		hidden := cf.cfg.HideEnterpriseConnections && kindOf(conn.Strategy) == enterprise && len(conn.DomainAliases) > 0
		if conn.Inactive || hidden {
			continue
		}
		i := slices.IndexFunc(file.Strategies, func(s fileStrategy) bool { return s.Name == conn.Strategy })
		if i < 0 {
			i = len(file.Strategies)
			file.Strategies = append(file.Strategies, fileStrategy{Name: conn.Strategy})
		}
		file.Strategies[i].Connections = append(file.Strategies[i].Connections, cf.fileConnection(conn, name))
	}
	return file
}

// fileConnection describes a connection. There are no ids, icons or metadata in
// this file.
func (cf *clientFiles) fileConnection(c *Connection, tenant string) map[string]any {
	item := map[string]any{"name": c.Name}
	if c.DisplayName != "" {
		item["display_name"] = c.DisplayName
	}
	if len(c.Scope) > 0 {
		item["scope"] = c.Scope
	}
	if len(c.DomainAliases) > 0 {
		item["domain"] = c.DomainAliases[0]
		item["domain_aliases"] = c.DomainAliases
	}
	if kindOf(c.Strategy) == database {
		realm := "?wtrealm=urn:auth0:" + tenant + ":" + c.Name
		item["domain"] = nil
		item["forgot_password_url"] = cf.base + "/lo/forgot" + realm
		item["signup_url"] = cf.base + "/lo/signup" + realm
		item["passwordPolicy"] = "good"
		item["password_complexity_options"] = map[string]any{"min_length": minPassword}
		item["showSignup"] = c.Options["disable_signup"] != true
		item["showForgot"] = true
		item["requires_username"] = false
	}
	return item
}
