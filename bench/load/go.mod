module blastdoor.io/bench/load

go 1.21
