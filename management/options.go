package management

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The names of the options in the API. Scopes may be a list or a text there.
const (
	optionScope   = "scope"
	optionScripts = "scripts"
	scriptProfile = "fetchUserProfile"
)

// texts and tables pair the options with their fields.
func (o *OAuth2Options) texts() map[string]*string {
	return map[string]*string{
		"authorizationURL": &o.AuthorizationURL, "tokenURL": &o.TokenURL,
		"client_id": &o.ClientID, "client_secret": &o.ClientSecret, "icon_url": &o.IconURL,
	}
}

func (o *OAuth2Options) tables() map[string]*map[string]string {
	return map[string]*map[string]string{"customHeaders": &o.CustomHeaders, "authParams": &o.AuthParams, "authParamsMap": &o.AuthParamsMap}
}

// decodeOptions decodes the options that have the expected type.
func decodeOptions(raw map[string]json.RawMessage) (o OAuth2Options) {
	for name, field := range o.texts() {
		json.Unmarshal(raw[name], field)
	}
	for name, field := range o.tables() {
		var table map[string]string
		if json.Unmarshal(raw[name], &table) == nil {
			*field = table
		}
	}
	json.Unmarshal(raw["pkce_enabled"], &o.PKCE)
	var words string
	if json.Unmarshal(raw[optionScope], &words) == nil {
		o.Scopes = strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ',' })
	} else {
		json.Unmarshal(raw[optionScope], &o.Scopes)
	}
	var scripts map[string]json.RawMessage
	json.Unmarshal(raw[optionScripts], &scripts)
	json.Unmarshal(scripts[scriptProfile], &o.FetchUserProfile)
	return o
}

// encode returns the options for the API: those before the change, with the changes.
// An unchanged option keeps its form.
func (o OAuth2Options) encode(before map[string]json.RawMessage) map[string]json.RawMessage {
	was := decodeOptions(before)
	raw := maps.Clone(before)
	if raw == nil {
		raw = map[string]json.RawMessage{}
	}
	set := func(name string, value any, changed, empty bool) {
		switch {
		case !changed:
		case empty:
			delete(raw, name)
		default:
			raw[name], _ = json.Marshal(value) // texts, lists and tables of them
		}
	}
	wasTexts, wasTables := was.texts(), was.tables()
	for name, field := range o.texts() {
		set(name, *field, *field != *wasTexts[name], *field == "")
	}
	for name, field := range o.tables() {
		set(name, *field, !maps.Equal(*field, *wasTables[name]), len(*field) == 0)
	}
	set("pkce_enabled", o.PKCE, o.PKCE != was.PKCE, false)
	set(optionScope, o.Scopes, !slices.Equal(o.Scopes, was.Scopes), len(o.Scopes) == 0)
	if o.FetchUserProfile != was.FetchUserProfile {
		var scripts map[string]json.RawMessage
		json.Unmarshal(raw[optionScripts], &scripts)
		if scripts == nil {
			scripts = map[string]json.RawMessage{}
		}
		scripts[scriptProfile], _ = json.Marshal(o.FetchUserProfile)
		raw[optionScripts], _ = json.Marshal(scripts)
	}
	return raw
}

func (o OAuth2Options) clone() OAuth2Options {
	o.Scopes = slices.Clone(o.Scopes)
	for _, table := range o.tables() {
		*table = maps.Clone(*table)
	}
	return o
}

func (o OAuth2Options) equal(other OAuth2Options) bool {
	texts, tables := other.texts(), other.tables()
	for name, field := range o.texts() {
		if *field != *texts[name] {
			return false
		}
	}
	for name, field := range o.tables() {
		if !maps.Equal(*field, *tables[name]) {
			return false
		}
	}
	return o.PKCE == other.PKCE && o.FetchUserProfile == other.FetchUserProfile && slices.Equal(o.Scopes, other.Scopes)
}
