package housetest

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileNames: the archive of a module cannot have every file name. With one other
// name in the repository, nobody could download a release.
func TestFileNames(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.Trim(d.Name(), ".") != "" && !isFileName(d.Name()):
			t.Errorf("the name of the file %q has a character that is no ASCII letter or digit, and none of -_.+@", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isFileName(name string) bool {
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+@") == "" && !strings.HasSuffix(name, ".")
}

func TestIsFileName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"auth0.go": true, "0123-a_b": true, ".ci": true, "bob@example.com+1": true,
		`a("b`: false, "a b": false, "a:b": false, "ä": false, "a.": false,
	} {
		if isFileName(name) != want {
			t.Errorf("%q: %v, want %v", name, !want, want)
		}
	}
}
