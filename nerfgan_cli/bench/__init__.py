"""What drawing costs: time, memory, arithmetic, of any generator and of each of its parts."""
