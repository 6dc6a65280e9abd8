"""Metrics, one file each: functions or small classes over tensors and features."""
