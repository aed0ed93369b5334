// What the same work costs in Go, in the shape of Coder's own SDK: a goroutine reads and
// decodes, and sends what it has decoded over a channel to whoever ranges over it.
//
//	shape follow|watch|unmarshal SCALE
//
// SCALE is the JSON of the benchmarks' Scale. What the work cost is printed as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

const (
	lines = 95 // of a log message
	items = 84 // of a metadata event
)

type scale struct {
	URL      string `json:"url"`
	Messages int    `json:"messages"`
	Warm     int    `json:"warm"`
	Body     int    `json:"body"`
	Bodies   int    `json:"bodies"`
	// Whether every line and every item has a time of its own.
	Different bool `json:"different"`
}

type figures struct {
	CPU   float64 `json:"cpu"`
	Wall  float64 `json:"wall"`
	Count int     `json:"count"`
}

type LogLevel string

type WorkspaceAgentLog struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at" format:"date-time"`
	Output    string    `json:"output"`
	Level     LogLevel  `json:"level"`
	SourceID  uuid.UUID `json:"source_id" format:"uuid"`
}

type WorkspaceAgentMetadataResult struct {
	CollectedAt time.Time `json:"collected_at" format:"date-time"`
	Age         int64     `json:"age"`
	Value       string    `json:"value"`
	Error       string    `json:"error"`
}

type WorkspaceAgentMetadataDescription struct {
	DisplayName string `json:"display_name"`
	Key         string `json:"key"`
	Script      string `json:"script"`
	Interval    int64  `json:"interval"`
	Timeout     int64  `json:"timeout"`
}

type WorkspaceAgentMetadata struct {
	Result      WorkspaceAgentMetadataResult      `json:"result"`
	Description WorkspaceAgentMetadataDescription `json:"description"`
}

// follow returns the messages of an agent's log.
func follow(ctx context.Context, url string) (<-chan []WorkspaceAgentLog, error) {
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	// The SDK leaves this at 32 KiB, and so fails on a longer backlog.
	conn.SetReadLimit(1 << 30)
	values := make(chan []WorkspaceAgentLog, 1)
	go func() {
		defer close(values)
		defer conn.Close(websocket.StatusGoingAway, "")
		for {
			kind, data, err := conn.Read(ctx)
			if err != nil || kind != websocket.MessageText {
				return
			}
			var value []WorkspaceAgentLog
			if err := json.Unmarshal(data, &value); err != nil {
				return
			}
			select {
			case values <- value:
			case <-ctx.Done():
				return
			}
		}
	}()
	return values, nil
}

// watch returns the events of an agent's metadata.
func watch(ctx context.Context, url string) (<-chan []WorkspaceAgentMetadata, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	values := make(chan []WorkspaceAgentMetadata, 256)
	go func() {
		defer close(values)
		defer response.Body.Close()
		reader := bufio.NewReader(response.Body)
		for {
			data, err := nextData(reader)
			if err != nil {
				return
			}
			var value []WorkspaceAgentMetadata
			if err := json.Unmarshal(data, &value); err != nil {
				return
			}
			values <- value
		}
	}()
	return values, nil
}

// nextData returns the data of the next event that has some.
func nextData(reader *bufio.Reader) ([]byte, error) {
	for {
		kind, err := nextValue(reader, "event")
		if err != nil {
			return nil, err
		}
		switch kind {
		case "ping":
		case "data":
			data, err := nextValue(reader, "data")
			return []byte(data), err
		default:
			return nil, fmt.Errorf("an event of the kind %q", kind)
		}
	}
}

// nextValue returns what the next line that is not empty says of name.
func nextValue(reader *bufio.Reader, name string) (string, error) {
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		value, found := strings.CutPrefix(line, name+": ")
		if !found {
			return "", fmt.Errorf("expected %s, got %q", name, line)
		}
		return strings.TrimSpace(value), nil
	}
}

// drain takes warm values, then measures the taking of count more of each pieces.
func drain[T any](values <-chan []T, warm, count, each int) (figures, error) {
	taken := 0
	var start clock
	if warm == 0 {
		start = now()
	}
	for value := range values {
		if len(value) != each {
			return figures{}, fmt.Errorf("%d where %d were due", len(value), each)
		}
		taken++
		if taken == warm {
			start = now()
		}
		if taken == warm+count {
			return start.since(count * each), nil
		}
	}
	return figures{}, fmt.Errorf("only %d messages came", taken)
}

// unmarshal decodes a large body again and again.
func unmarshal(of scale) (figures, error) {
	response, err := http.Get(of.agent(1) + "/logs")
	if err != nil {
		return figures{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return figures{}, err
	}
	var start clock
	for number := -1; number < of.Bodies; number++ {
		if number == 0 {
			start = now()
		}
		var logs []WorkspaceAgentLog
		if err := json.Unmarshal(body, &logs); err != nil {
			return figures{}, err
		}
		if len(logs) != of.Body {
			return figures{}, fmt.Errorf("%d logs", len(logs))
		}
	}
	return start.since(of.Bodies * of.Body), nil
}

// clock is a moment: the CPU time of this process so far, and the time.
type clock struct {
	cpu  time.Duration
	wall time.Time
}

func now() clock {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return clock{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), time.Now()}
}

func (start clock) since(count int) figures {
	end := now()
	return figures{
		CPU:   (end.cpu - start.cpu).Seconds(),
		Wall:  end.wall.Sub(start.wall).Seconds(),
		Count: count,
	}
}

// agent returns the URL of the agent that sends the feed which is asked for.
func (of scale) agent(number int) string {
	if of.Different {
		number += 0x100
	}
	return fmt.Sprintf("%s/api/v2/workspaceagents/00000000-0000-0000-0000-%012x", of.URL, number)
}

func run(work string, of scale) (figures, error) {
	ctx := context.Background()
	switch work {
	case "follow":
		logs, err := follow(ctx, of.agent(1)+"/logs?follow")
		if err != nil {
			return figures{}, err
		}
		return drain(logs, of.Warm, of.Messages, lines)
	case "watch":
		metadata, err := watch(ctx, of.agent(2)+"/watch-metadata")
		if err != nil {
			return figures{}, err
		}
		return drain(metadata, of.Warm, of.Messages, items)
	case "unmarshal":
		return unmarshal(of)
	}
	return figures{}, fmt.Errorf("no work is called %q", work)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: shape follow|watch|unmarshal SCALE")
	}
	var of scale
	if err := json.Unmarshal([]byte(os.Args[2]), &of); err != nil {
		log.Fatal(err)
	}
	cost, err := run(os.Args[1], of)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(cost); err != nil {
		log.Fatal(err)
	}
}
