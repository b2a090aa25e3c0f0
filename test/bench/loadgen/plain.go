package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

var (
	fPlain  = flag.Bool("plain", false, "https: plain requests, as by http")
	fHost   = flag.String("host", "", "http: Host of the requests (default: the url's)")
	fExpect = flag.String("expect", "", "http: file with the body that every answer must have")
	fNew    = flag.Bool("new", false, "http: a new connection for each request; its set-up is part of the latency")

	isPlain      bool
	isTLS        bool
	plainRequest []byte
	expected     []byte
)

// plain prepares the one GET request of the plain mode.
func plain() {
	if *fHost != "" {
		host = *fHost
		tlsConf.ServerName = host
		tlsConf.NextProtos = []string{"http/1.1"}
	}
	if *fExpect != "" {
		b, err := os.ReadFile(*fExpect)
		must(err)
		expected = b
	}
	end := ""
	if *fNew {
		end = "Connection: close\r\n"
	}
	plainRequest = []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: loadgen\r\nAccept: */*\r\n" + end + "\r\n")
}

// get sends it and verifies the answer, as do does.
func (k *conn) get() (bytesOut, bytesIn int, closeAfter bool, err error) {
	k.c.SetDeadline(time.Now().Add(*fTimeout))
	if _, err = k.c.Write(plainRequest); err != nil {
		return 0, 0, true, err
	}
	status, n, closeAfter, err := k.readResp()
	if err != nil {
		return len(plainRequest), n, true, err
	}
	return len(plainRequest), n, closeAfter || *fNew, k.verifyPlain(status)
}

func (k *conn) verifyPlain(status int) error {
	if status != 200 {
		return fmt.Errorf("HTTP %d: %.120s", status, k.resp)
	}
	if expected != nil && string(k.resp) != string(expected) {
		return fmt.Errorf("another body: %.120s", k.resp)
	}
	return nil
}
