package main

import "testing"

func TestVerifyPlainRefusesWrongAnswers(t *testing.T) {
	expected = []byte("pod")
	defer func() { expected = nil }()
	for _, c := range []struct {
		name, body string
		status     int
		ok         bool
	}{
		{"good", "pod", 200, true},
		{"other status", "pod", 503, false},
		{"other body", "pods", 200, false},
		{"no body", "", 200, false},
	} {
		if err := (&conn{resp: []byte(c.body)}).verifyPlain(c.status); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
