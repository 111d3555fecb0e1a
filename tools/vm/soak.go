package main

import "time"

func soakCases(time.Duration) []testCase { return nil }
