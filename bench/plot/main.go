// Command plot draws the tables of ../results.json, for light and for dark pages, as
// SVG files in ../plots.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

const (
	resultsFile = "../results.json"
	plotsFolder = "../plots"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	r, err := readResults(resultsFile)
	if err != nil {
		return err
	}
	files, err := drawAll(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(plotsFolder, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(plotsFolder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// results are the parts of results.json that are drawn.
type results struct {
	Made, Go, Processor string
	Contests            []contest
}

// A contest is a column of a table: the figures of every contender.
type contest struct {
	Table, Column string
	Names         []string
	Of            map[string]struct{ NS, Ratio float64 }
}

func readResults(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(text, r)
}
