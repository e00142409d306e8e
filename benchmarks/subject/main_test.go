package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carillon-go/carillon/benchmarks/internal/launch/launchtest"
)

func TestFilesComeFromStaticDir(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "files")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{folder + "/1k.bin": "inside", filepath.Dir(folder) + "/secret": "outside"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STATIC_DIR", folder)
	s := launchtest.Subject(t)
	tests := []struct {
		path   string
		status int
		body   string // "" for whatever an error says
	}{
		{"/static/1k.bin", 200, "inside"},
		{"/static/none", 404, ""},
		{"/static/../secret", 404, ""},
		{"/static/%2e%2e/secret", 404, ""},
		{"/secret", 404, ""},
		{"/user/7", 200, "7"},
		{"/user/", 404, ""},
		{"/user/7/8", 404, ""},
		{"/", 200, endpoints},
	}
	for _, tt := range tests {
		got, err := s.Get(t.Context(), tt.path)
		if err != nil || got.Status != tt.status || tt.body != "" && got.Body != tt.body {
			t.Errorf("%s: %d %q, %v; want %d %q", tt.path, got.Status, got.Body, err, tt.status, tt.body)
		}
	}
}
