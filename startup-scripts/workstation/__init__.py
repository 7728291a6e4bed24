"""The workstation's own programs: its set-up at every boot, its heartbeat and idle stop, background commands."""
