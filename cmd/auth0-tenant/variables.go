package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A variable is an environment variable of the application.
type variable struct{ name, value string }

// formats write the variables, by the value of -format.
var formats = map[string]func([]variable) string{
	"env":    shellLines,
	"json":   jsonObject,
	"dotenv": dotenvLines,
}

// shellLines are for eval. The process id is for kill: a shell that evaluates the lines
// has started the tenant in the background.
func shellLines(list []variable) string {
	var b strings.Builder
	for _, v := range append(list, variable{"AUTH0_TENANT_PID", strconv.Itoa(os.Getpid())}) {
		b.WriteString("export " + v.name + "=" + shellQuoted(v.value) + "\n")
	}
	return b.String()
}

// shellQuoted returns a word that the shell does not change (POSIX.1-2024, Shell Command
// Language, Section 2.2.2).
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func jsonObject(list []variable) string {
	object := map[string]string{}
	for _, v := range list {
		object[v.name] = v.value
	}
	text, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		panic(err) // unreachable: strings can be encoded
	}
	return string(text) + "\n"
}

// plain are values that need no quotes, which docker --env-file and GITHUB_ENV would
// keep.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=~-]*$`)

var dotenvEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`", "\n", `\n`)

func dotenvLines(list []variable) string {
	var b strings.Builder
	for _, v := range list {
		value := v.value
		switch {
		case plain.MatchString(value):
		case !strings.ContainsAny(value, "'\n"):
			value = "'" + value + "'"
		default:
			value = `"` + dotenvEscapes.Replace(value) + `"`
		}
		b.WriteString(v.name + "=" + value + "\n")
	}
	return b.String()
}
