"""Losses, one file each: functions or small classes over tensors."""
