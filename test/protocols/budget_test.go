package protocols

import "sync"

// budget is how much may be sent on stream 1 and its connection.
type budget struct {
	mutex              sync.Mutex
	stream, connection int
	ended              bool
	grown              chan struct{}
}

func (b *budget) grow(stream uint32, by int) {
	b.mutex.Lock()
	if stream == 0 {
		b.connection += by
	} else {
		b.stream += by
	}
	b.mutex.Unlock()
	b.wake()
}

func (b *budget) end() {
	b.mutex.Lock()
	b.ended = true
	b.mutex.Unlock()
	b.wake()
}

func (b *budget) wake() {
	select {
	case b.grown <- struct{}{}:
	default:
	}
}

// take waits for some of what is wanted; 0: the stream has ended.
func (b *budget) take(want int) int {
	for {
		b.mutex.Lock()
		n := min(want, b.stream, b.connection)
		if b.ended {
			b.mutex.Unlock()
			return 0
		}
		if n > 0 {
			b.stream -= n
			b.connection -= n
			b.mutex.Unlock()
			return n
		}
		b.mutex.Unlock()
		<-b.grown
	}
}
