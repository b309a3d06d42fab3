# Reference decompositions with R's stl (package stats), every jump 1. Run in this folder:  Rscript golden.R
# Writes series.csv (three seeded series side by side, shorter ones padded with NA), one table of components per case,
# and version.txt. Lengths are odd: with an even number of residuals the partial sort in R's robust stl may return a
# neighbour of one of the two middle ones, and its weights then rest on another median than the one it documents.

set.seed(7, kind = "Mersenne-Twister", normal.kind = "Inversion")
make <- function(n, period, spikes) {
  t <- seq_len(n) - 1
  y <- 3 + cumsum(rnorm(n, 0, 0.05)) + (1 + t / n) * sin(2 * pi * t / period) + 0.3 * cos(6 * pi * t / period) +
    rnorm(n, 0, 0.2)
  at <- sample(n, spikes)
  y[at] <- y[at] + sample(c(-3, 4), spikes, replace = TRUE)
  y
}
series <- list(monthly = make(181, 12, 5), daily = make(161, 7, 4), short = make(49, 24, 2))
period <- c(monthly = 12, daily = 7, short = 24)

digits <- function(columns, file) {
  text <- lapply(as.data.frame(columns), function(v) ifelse(is.na(v), "", sprintf("%.17g", v)))
  write.csv(as.data.frame(text), file, row.names = FALSE, quote = FALSE)
}
longest <- max(lengths(series))
digits(lapply(series, function(y) c(y, rep(NA, longest - length(y)))), "series.csv")

cases <- list(
  monthly_plain = list("monthly", s.window = 11),
  monthly_linear = list("monthly", s.window = 7, s.degree = 1, t.window = 23, t.degree = 0, l.window = 15, l.degree = 0),
  monthly_robust = list("monthly", s.window = 11, robust = TRUE),
  monthly_periodic = list("monthly", s.window = "periodic"),
  daily_robust = list("daily", s.window = 35, s.degree = 1, robust = TRUE, inner = 2, outer = 6),
  daily_wide = list("daily", s.window = 9, t.window = 301, l.window = 171),
  short_plain = list("short", s.window = 7)
)
for (name in names(cases)) {
  case <- cases[[name]]
  which <- case[[1]]
  arguments <- c(list(ts(series[[which]], frequency = period[[which]]), s.jump = 1, t.jump = 1, l.jump = 1), case[-1])
  fit <- do.call(stl, arguments)
  parts <- fit$time.series
  digits(list(trend = as.numeric(parts[, "trend"]), seasonal = as.numeric(parts[, "seasonal"]),
              weights = as.numeric(fit$weights)), paste0(name, ".csv"))
  cat(name, "windows", fit$win, "degrees", fit$deg, "inner", fit$inner, "outer", fit$outer, "\n")
}
writeLines(R.version.string, "version.txt")
