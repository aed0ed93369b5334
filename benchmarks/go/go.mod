module coder_agents.example/benchmarks

go 1.23

require (
	github.com/coder/websocket v1.8.15
	github.com/google/uuid v1.6.0
)
