package directory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
)

// sorted puts a list into the order in which a login page shows it.
func sorted(list []Item) []Item {
	slices.SortFunc(list, func(a, b Item) int {
		return cmp.Or(
			cmp.Compare(kindOf(a.Strategy), kindOf(b.Strategy)),
			cmp.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	distinguishNames(list)
	return list
}

// distinguishNames adds the connection's name where two connections would look the
// same.
func distinguishNames(list []Item) {
	count := map[string]int{}
	for _, item := range list {
		count[item.DisplayName]++
	}
	for i, item := range list {
		if count[item.DisplayName] > 1 && item.DisplayName != item.Name {
			list[i].DisplayName = fmt.Sprintf("%s (%s)", item.DisplayName, item.Name)
		}
	}
}

// describe fills in the display name, removes an icon URL that must not be put
// into a page, and normalizes the domains.
func describe(e Entry) Entry {
	if e.DisplayName == "" {
		e.DisplayName = strategies[e.Strategy].display
	}
	if e.DisplayName == "" {
		e.DisplayName = e.Name
	}
	if origin, err := discovery.Origin(e.IconURL); err != nil || !strings.HasPrefix(origin, "https:") {
		e.IconURL = ""
	}
	aliases := make([]string, 0, len(e.DomainAliases))
	for _, alias := range e.DomainAliases {
		if alias = strings.ToLower(strings.TrimSpace(alias)); alias != "" && !slices.Contains(aliases, alias) {
			aliases = append(aliases, alias)
		}
	}
	e.DomainAliases = aliases
	return e
}
