"""Load: what a media server carries, and what it costs. Not collected by pytest; `python -m tests.load.bench_media`."""
