"""What everything stands on: device, dtype and seeds, files, statistics, timing."""
