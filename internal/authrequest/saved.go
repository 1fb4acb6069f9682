package authrequest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"time"
)

// Saved holds the options of a request, so that a later login can request the same. It
// has no pop-up, because a later login is in the user's main window. It has no
// application state, which belongs to one browser: anyone can open a link with saved
// options.
type Saved struct {
	Params      map[string]string `json:"p,omitempty"`
	Without     []string          `json:"w,omitempty"` // parameters of every login that this one omits
	Scopes      []string          `json:"s,omitempty"`
	RequiredACR []string          `json:"a,omitempty"`
	Persistent  *bool             `json:"c,omitempty"` // see [Kept]
	ReturnTo    string            `json:"to,omitempty"`
	Person      string            `json:"u,omitempty"` // likewise
}

// maxSaved is the most parameters of a Saved.
const maxSaved = 16

// Save returns the options in which a request differs from the application's default.
// It leaves out prompt=none: a login that needed a page will need one again.
func (r *Request) Save(every *Request) Saved {
	s := Saved{Params: map[string]string{}, RequiredACR: r.RequiredACR, ReturnTo: r.ReturnTo(), Person: r.Person}
	for name := range r.Params {
		value := r.Params.Get(name)
		if name == "prompt" && value == "none" || every.Params.Has(name) && every.Params.Get(name) == value {
			continue
		}
		s.Params[name] = value
	}
	for name := range every.Params {
		if !r.Params.Has(name) {
			s.Without = append(s.Without, name)
		}
	}
	slices.Sort(s.Without)
	if !slices.Equal(r.Scopes, every.Scopes) {
		s.Scopes = r.Scopes
	}
	if r.Persistent != nil && (every.Persistent == nil || *every.Persistent != *r.Persistent) {
		s.Persistent = r.Persistent
	}
	if s.Params["invitation"] != "" {
		s.Params["organization"] = r.organization
	}
	if s.RequiredACR != nil {
		s.Params["acr_values"] = "" // RequiredACR holds them, and a link must be short
	}
	return s
}

// IsEmpty reports whether the request differs from the application's default in its
// return URL at most.
func (s Saved) IsEmpty() bool {
	return len(s.Params) == 0 && len(s.Without) == 0 && s.Scopes == nil && s.Persistent == nil
}

// Essential returns the options without those that only save the user some typing.
func (s Saved) Essential() Saved {
	s.Params = maps.Clone(s.Params)
	maps.DeleteFunc(s.Params, func(name, _ string) bool {
		return !slices.Contains([]string{
			"connection", "organization", "invitation", "prompt", "max_age", "acr_values", "audience",
		}, name)
	})
	return s
}

// OtherAccount returns the options for a user whose account was rejected. The tenant
// must ask for the account, with the given prompt, even if the user is logged in there.
func (s Saved) OtherAccount(prompt string) Saved {
	s.Params = maps.Clone(s.Params)
	if s.Params == nil {
		s.Params = map[string]string{}
	}
	delete(s.Params, "login_hint")
	s.Params["prompt"], s.Person = prompt, ""
	return s
}

// Options returns the saved options. It checks them as if the application had given
// them, and rejects too many.
func (s Saved) Options() ([]Option, error) {
	if len(s.Params) > maxSaved || len(s.Without) > maxSaved {
		return nil, errors.New("there are too many saved options")
	}
	var options []Option
	for _, name := range s.Without {
		options = append(options, Param(name))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		o, err := s.option(name, s.Params[name])
		if err != nil {
			return nil, err
		}
		options = append(options, o)
	}
	if s.Scopes != nil {
		options = append(options, Scopes(s.Scopes...))
	}
	if s.Persistent != nil {
		options = append(options, Persistent(*s.Persistent))
	}
	if s.ReturnTo != "" {
		options = append(options, ReturnTo(s.ReturnTo))
	}
	if s.Persistent != nil {
		options = append(options, Persistent(*s.Persistent))
	}
	if s.Person != "" {
		options = append(options, ForPerson(s.Person))
	}
	_, err := New(options...)
	return options, err
}

// option returns the option that sets a parameter.
func (s Saved) option(name, value string) (Option, error) {
	simple := map[string]func(string) Option{
		"connection": Connection, "organization": Organization, "login_hint": Hint, "prompt": Prompt,
		"screen_hint": ScreenHint, "ui_locales": UILocales, "audience": Audience,
	}
	switch name {
	case "invitation":
		return Invitation(value, s.Params["organization"]), nil
	case "max_age":
		seconds, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the saved max_age %.20q is not a number", value)
		}
		return MaxAge(time.Duration(seconds) * time.Second), nil
	case "acr_values":
		if s.RequiredACR != nil {
			return ACR(true, s.RequiredACR...), nil
		}
		return ACR(false, value), nil
	}
	if option := simple[name]; option != nil {
		return option(value), nil
	}
	return Param(name, value), nil
}

// A text holds all options of a request, for a login that this program continues. It
// includes the application state, which a link must not bring into a browser.
type text struct {
	Saved
	AppState json.RawMessage `json:"app,omitempty"`
}

// Direct returns the options of a login without a browser, as text for [OptionsOf]. It
// rejects those that only a browser can meet. The argument all has also the options of
// every login, and every has those alone.
func (r *Request) Direct(all, every *Request) (string, error) {
	if err := r.checkDirect(); err != nil {
		return "", err
	}
	b, err := json.Marshal(text{all.Save(every), all.AppState})
	return string(b), err
}

// OptionsOf returns the options that [Request.Direct] wrote. An empty text holds none.
func OptionsOf(saved string) ([]Option, error) {
	if saved == "" {
		return nil, nil
	}
	var t text
	if err := json.Unmarshal([]byte(saved), &t); err != nil {
		return nil, errors.New("the saved options cannot be read")
	}
	options, err := t.Options()
	if t.AppState != nil {
		options = append(options, AppState(t.AppState))
	}
	return options, err
}
