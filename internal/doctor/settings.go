package doctor

import (
	"errors"
	"fmt"
	"strings"
)

// A Variable is a name and its value.
type Variable struct{ Name, Value string }

// ParseEnv reads a file of variables: NAME=value lines, comments, an optional export, and
// values in quotes, which can have several lines. An error names the line and quotes
// nothing of it.
func ParseEnv(text string) ([]Variable, error) {
	var list []Variable
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	number := 0
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || !isVariableName(name) {
			return nil, fmt.Errorf("line %d is not NAME=value", number)
		}
		begin := number
		if value != "" && (value[0] == '"' || value[0] == '\'') && closingQuote(value[0], value[1:]) < 0 {
			line, text = cutQuoted(value[0], text)
			number += 1 + strings.Count(line, "\n")
			value += "\n" + line
		}
		value, err := unquote(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", begin, err)
		}
		list = append(list, Variable{name, value})
	}
	return list, nil
}

func isVariableName(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// cutQuoted returns the lines up to the one with the closing quote, and the lines after it.
func cutQuoted(quote byte, text string) (quoted, rest string) {
	end := closingQuote(quote, text)
	if end < 0 {
		return text, ""
	}
	line, rest, _ := strings.Cut(text[end:], "\n")
	return text[:end+len(line)], rest
}

// closingQuote returns the index of the quote that ends a value in quotes, or -1. The text
// begins after the opening quote.
func closingQuote(quote byte, text string) int {
	for i := 0; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// escapes are those of a value in double quotes.
var escapes = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`, `\$`, "$", `\\`, `\`)

func unquote(value string) (string, error) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
		return value, nil
	}
	end := closingQuote(value[0], value[1:])
	if end < 0 {
		return "", errors.New("a quote is not closed")
	}
	inner, rest := value[1:1+end], strings.TrimSpace(value[1+end+1:])
	if rest != "" && rest[0] != '#' {
		return "", errors.New("something follows the closing quote")
	}
	if value[0] == '\'' {
		return inner, nil
	}
	return escapes.Replace(inner), nil
}
