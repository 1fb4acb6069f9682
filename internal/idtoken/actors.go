package idtoken

import (
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

// Actors returns the sub of an act claim, then the sub of the nested act, and so on (RFC
// 8693, Section 4.1). It returns nothing for an empty text.
func Actors(act string) (list []string, err error) {
	for act != "" {
		subject, next, err := actor(act)
		if err != nil {
			return nil, err
		}
		list, act = append(list, subject), next
	}
	return list, nil
}

// actor reads one act claim. Of two members with the same name, two parsers could choose
// different ones.
func actor(text string) (subject, next string, err error) {
	err = jsonscan.Object(text, func(name, value string) error {
		switch {
		case name == "sub" && subject != "", name == "act" && next != "":
			return fault.Duplicate
		case name == "sub":
			subject, _ = jsonscan.String(value)
		case name == "act":
			next = value
		}
		return nil
	})
	if err != nil || subject == "" {
		return "", "", fault.Claim.Because("act is not an object with a sub")
	}
	return subject, next, nil
}
