package vhost

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func hashed(t *testing.T, password string, cost int) []byte {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Whoever asks by a name that there is not waits as long as for one that there is.
func TestNobodysHashCostsAsMuchAsTheDearest(t *testing.T) {
	hashes := map[string][]byte{"a": hashed(t, "x", bcrypt.MinCost), "b": hashed(t, "y", bcrypt.MinCost+2)}
	if cost, err := bcrypt.Cost(nobodys(hashes)); err != nil || cost != bcrypt.MinCost+2 {
		t.Errorf("cost %d, %v", cost, err)
	}
	for _, password := range []string{"", "x", "y"} {
		if bcrypt.CompareHashAndPassword(nobodys(hashes), []byte(password)) == nil {
			t.Errorf("%q is nobody's password", password)
		}
	}
}

func TestPasswordsAreRemembered(t *testing.T) {
	p := newPasswords()
	old, changed := hashed(t, "x", bcrypt.MinCost), hashed(t, "y", bcrypt.MinCost)
	check := func(hash []byte, password string) bool {
		t.Helper()
		if !p.begin() {
			t.Fatal("no place")
		}
		return p.check(p.key(hash, password), hash, password)
	}
	if check(old, "wrong") || p.remembered(p.key(old, "wrong")) {
		t.Error("a wrong password was right")
	}
	if !check(old, "x") || !p.remembered(p.key(old, "x")) {
		t.Error("the right password is not remembered")
	}
	if p.remembered(p.key(changed, "x")) {
		t.Error("the password is remembered beyond its change")
	}
	p.right[p.key(old, "x")] = time.Now().Add(-time.Second)
	if p.remembered(p.key(old, "x")) {
		t.Error("remembered for good")
	}
	for i := range mostRemembered {
		p.right[p.key(old, fmt.Sprint(i))] = time.Now().Add(time.Hour)
	}
	if !check(old, "x") || len(p.right) > mostRemembered {
		t.Errorf("%d are remembered", len(p.right))
	}
}

// What waits for a check is bounded: the rest is told to come again.
func TestTooManyPasswords(t *testing.T) {
	p := newPasswords()
	for range mostWaiting {
		if !p.begin() {
			t.Fatal("no place")
		}
	}
	if p.begin() {
		t.Error("one too many")
	}
	p.end()
	if !p.begin() {
		t.Error("a place that was given back is not to be had")
	}
}

// A file of passwords counts with the users of the config, and a reload has it anew.
func TestPasswordFile(t *testing.T) {
	root := folder(t)
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, fmt.Appendf(nil, "# people\n\nada:%s\n", hashed(t, "x", bcrypt.MinCost)), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("root = %q\n[[auth]]\npath = \"/\"\nfile = %q\nusers = { \"bob\" = %q }\n", root, file, hashed(t, "y", bcrypt.MinCost))
	const ada, bob, both = "Authorization: Basic YWRhOng=", "Authorization: Basic Ym9iOnk=", "Authorization: Basic YWRhOnk="
	expect := func(codes map[string]int) {
		t.Helper()
		address, _ := serve(t, config, Options{})
		for line, code := range codes {
			if a := ask(t, address, "GET", "/a.txt", "", line); a.code != code {
				t.Errorf("%s: %d, want %d", line, a.code, code)
			}
		}
	}
	expect(map[string]int{ada: 200, bob: 200, both: 401})
	if err := os.WriteFile(file, fmt.Appendf(nil, "ada:%s\n", hashed(t, "y", bcrypt.MinCost)), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(map[string]int{ada: 401, bob: 200, both: 200})
}
