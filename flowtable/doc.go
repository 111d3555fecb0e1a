// Package flowtable x
package flowtable
