package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// virtqueue is what qemu tells of a ring between itself and the driver.
type virtqueue struct {
	InUse         int `json:"inuse"`
	LastAvail     int `json:"last-avail-idx"`
	ShadowAvail   int `json:"shadow-avail-idx"`
	Used          int `json:"used-idx"`
	SignalledUsed int `json:"signalled-used"`
}

func (v virtqueue) String() string {
	return fmt.Sprintf("%d avail %d/%d used %d/%d", v.InUse, v.LastAvail, v.ShadowAvail, v.Used, v.SignalledUsed)
}

// showAnatomy prints all that is between the taps and the box, twice, with some
// datagrams for every queue in between: where frames stay tells who holds them.
// A line a queue, for what is shown of a failed run may be short.
func (w *world) showAnatomy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	headers, err := w.checkHeader(ctx)
	if err != nil {
		headers = err.Error()
	}
	fmt.Printf("--- %s\n--- the queues\n%s", headers, w.anatomy(ctx))
	for _, s := range bothWays(64, 64) {
		t, err := s.run(ctx, w.lab)
		fmt.Printf("--- sent from %s to %s: %v %v\n", s.from, s.to, t, err)
	}
	fmt.Printf("--- the queues after that\n%s", w.anatomy(ctx))
}

// anatomy describes, by port and queue, qemu's rings (in use, what it has seen of
// the available ones, the used and those told), the interrupts, the box's rings
// and counts; then the box's threads with their state and CPU time.
func (w *world) anatomy(ctx context.Context) string {
	var b strings.Builder
	var s struct {
		Rings []struct {
			Port      string            `json:"port"`
			Queue     int               `json:"queue"`
			Rings     map[string]int    `json:"rings"`
			RxPackets uint64            `json:"rx_packets"`
			TxPackets uint64            `json:"tx_packets"`
			Lost      map[string]uint64 `json:"lost"`
		} `json:"rings"`
	}
	text, err := w.guest.run(ctx, "/bin/sluice", "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	if err != nil {
		fmt.Fprintf(&b, "status: %v\n", err)
	}
	for _, q := range s.Rings {
		fmt.Fprintf(&b, "%s queue %d: qemu rx %s, tx %s; interrupts %s; rings %v; received %d, sent %d, lost %v\n", q.Port, q.Queue,
			w.virtqueue(q.Port, 2*q.Queue), w.virtqueue(q.Port, 2*q.Queue+1), w.interrupts(ctx, q.Port, q.Queue),
			q.Rings, q.RxPackets, q.TxPackets, q.Lost)
	}
	text, err = w.guest.run(ctx, "/bin/sh", "-c", `
		grep -E '^ *eth[01]:' /proc/net/dev
		for t in /proc/$(pidof sluice | cut -d' ' -f1)/task/*; do cut -d' ' -f1-3,14,15 $t/stat; cat $t/wchan; echo ';'; done | tr '\n' ' '`)
	if err != nil {
		text += err.Error()
	}
	fmt.Fprintf(&b, "%s\n", text)
	return b.String()
}

// virtqueue asks qemu for a ring of a port's card: by its number among all rings.
func (w *world) virtqueue(port string, ring int) string {
	var answer struct {
		Return virtqueue `json:"return"`
	}
	line, err := query(w.dir, "x-query-virtio-queue-status", map[string]any{
		"path": fmt.Sprintf("/machine/peripheral/card%s/virtio-backend", strings.TrimPrefix(port, "eth")), "queue": ring})
	if err == nil {
		err = json.Unmarshal([]byte(line), &answer)
	}
	if err != nil {
		return err.Error()
	}
	return answer.Return.String()
}

// interrupts returns how often a queue's came, by CPU, receiving then sending.
func (w *world) interrupts(ctx context.Context, port string, queue int) string {
	script := fmt.Sprintf(`c=$(basename $(readlink /sys/class/net/%s/device)); grep -E "$c-(in|out)put\.%d$" /proc/interrupts | tr -s ' ' | cut -d' ' -f3-%d`, port, queue, cpus+2)
	text, err := w.guest.run(ctx, "/bin/sh", "-c", script)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", " / ")
}
