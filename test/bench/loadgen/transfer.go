package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var (
	fServe    = flag.String("serve", "", "address: be the app of transfers; GET /N answers N bytes, POST takes what it gets and tells how much")
	fTransfer = flag.Int64("transfer", 0, "http: bytes of one answer (or with -upload of one request); prints mb_s")
	fUpload   = flag.Bool("upload", false, "with -transfer: from here to the app")
)

// zeros are bytes without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func serveTransfers() {
	must(http.ListenAndServe(*fServe, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
			return
		}
		n, _ := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(zeros{}, n), make([]byte, 1<<18))
	})))
}

// transfer moves the bytes once and verifies how many came.
func transfer() {
	client := &http.Client{Transport: &http.Transport{WriteBufferSize: 1 << 18, ReadBufferSize: 1 << 18, DialContext: (&net.Dialer{}).DialContext}}
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/%d", addr, *fTransfer), nil)
	if *fUpload {
		req, err = http.NewRequest(http.MethodPost, "http://"+addr+"/", io.LimitReader(zeros{}, *fTransfer))
		req.ContentLength = *fTransfer
	}
	must(err)
	req.Host = host
	if *fHost != "" {
		req.Host = *fHost
	}
	start := time.Now()
	resp, err := client.Do(req)
	must(err)
	var n int64
	if *fUpload {
		b, err := io.ReadAll(resp.Body)
		must(err)
		n, _ = strconv.ParseInt(string(b), 10, 64)
	} else {
		n, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 1<<18))
		must(err)
	}
	seconds := time.Since(start).Seconds()
	if resp.StatusCode != 200 || n != *fTransfer {
		must(fmt.Errorf("HTTP %d, %d bytes of %d", resp.StatusCode, n, *fTransfer))
	}
	fmt.Printf("{\"mb_s\":%.1f}\n", float64(n)/1e6/seconds)
}
