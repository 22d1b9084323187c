"""HTTP/1.1 in front of components and behind them: httptools reads, this writes."""
