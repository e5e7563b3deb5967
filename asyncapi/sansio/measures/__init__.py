"""Pure measures: histograms, sliding windows, time series, alarms."""
