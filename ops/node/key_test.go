package node

import (
	"os"
	"testing"
)

// The key is made once, for its owner only, and one that is not a key is refused and left alone.
func TestKeyIsMadeOnce(t *testing.T) {
	f, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, err := f.key()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.key(); err != nil || !again.Equal(first) {
		t.Errorf("got another key, %v", err)
	}
	if info, err := os.Stat(f.sub(keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file of its owner", info.Mode(), err)
	}
	for _, bad := range []string{"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(f.sub(keyFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.key(); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
		if b, err := os.ReadFile(f.sub(keyFile)); err != nil || string(b) != bad {
			t.Errorf("got %q, %v, want it left alone", b, err)
		}
	}
}
