"""Slow, obvious twin of the online decomposition: plain Python numbers and lists, written from its description."""

import math

NAN = float("nan")
LIMIT, CLIP, RARE = 4.5, 3.0, math.log(0.01)


def log_density(gap, deviation):
    z = gap / deviation
    return -0.5 * z * z - math.log(deviation) - 0.5 * math.log(2 * math.pi)


class NaiveOnline:
    def __init__(self, period, shift, window_max, gain_min):
        self.period, self.shift, self.window_max, self.gain_min = period, shift, window_max, gain_min
        self.first = []  # values of the first cycle
        self.level = None
        self.slope, self.count, self.window, self.quiet, self.recent, self.gap = 0.0, 0.0, window_max, 0, 0.0, 0
        self.scale, self.n_scale, self.range = 0.0, 0, 0.0
        self.up, self.down = (0.0, 0.0, 0), (0.0, 0.0, 0)
        self.season, self.visits, self.surprise = [], [], []
        self.phase, self.cycle, self.delta, self.home, self.away = 0, 0, 0, 0, 0
        self.episode = None
        self.over = []  # values less season less the first level, of the running cycle
        self.rise = 0.0

    def update(self, y):
        if self.period and self.level is None:
            return self.first_cycle(y)
        if self.level is None:
            if math.isnan(y):
                return NAN, 0.0, NAN
            self.level = y
        self.gap += 1
        level = self.level + self.slope * min(self.gap, self.count + 1)
        phase, mean, season, visits = self.phase, 0.0, 0.0, math.inf
        if self.period:
            mean = sum(self.season) / self.period
            at = (phase + self.delta) % self.period
            season, visits = self.season[at] - mean, max(self.visits[at], 0.5)
            self.phase = (phase + 1) % self.period
        remainder = NAN
        if not math.isnan(y):
            self.level, self.gap = level, 0
            remainder = y - level - season
            spread = math.sqrt(1 + 1 / visits + 1 / (self.count + 1))
            floor = 1e-7 * self.range + 1e-13 * abs(level) + 1e-100
            deviation = max(self.scale * math.sqrt(math.pi / 2), floor) * spread
            if self.period and self.cycle < 3:
                self.over.append(y - season - self.first_level)
            learn = True
            if self.n_scale >= 10 and (abs(remainder) > LIMIT * deviation or self.episode):
                learn = self.explain(y, phase, mean, season, deviation)
                level = self.level
                if self.period:
                    season = self.season[(phase + self.delta) % self.period] - mean
                remainder = y - level - season
            if self.period:
                self.follow_shift()
                at = (phase + self.delta) % self.period
                if abs(remainder) <= LIMIT * deviation:
                    self.surprise[at] = 0.0
                elif not learn and self.delta == self.home:
                    self.new_shape(at, remainder, deviation)
            if learn:
                level, season = self.learn(y, phase, season, remainder, deviation, spread)
                remainder = y - level - season
        if self.period and self.phase == 0:
            self.end_of_cycle()
        return level, season, remainder

    def first_cycle(self, y):
        self.first.append(y)
        known = [v for v in self.first if not math.isnan(v)]
        level = sum(known) / len(known) if known else NAN
        if len(self.first) == self.period:
            if known:
                last = known[0]
                for value in self.first:
                    last = last if math.isnan(value) else value
                    self.season.append(last)
                    self.visits.append(0.0 if math.isnan(value) else 1.0)
                self.surprise = [0.0] * self.period
                self.level = self.first_level = sum(self.season) / self.period
                self.count = float(len(known))
                self.cycle = 1
            self.first = []
        return level, 0.0, y - level

    def end_of_cycle(self):
        self.cycle += 1
        if self.cycle > 3:
            return
        mean = sum(self.over) / len(self.over) if self.over else 0.0
        self.over = []
        if self.cycle == 2:
            self.rise = mean
            return
        first, second = self.rise, mean - self.rise
        least = min(abs(first), abs(second))
        noise = self.scale * math.sqrt(math.pi / 2) * math.sqrt(2 / self.period)
        if first * second > 0 and least >= 2.5 * noise:
            self.slope = math.copysign(least, first) / self.period
            centre = (self.period - 1) / 2
            self.season = [s - self.slope * (k - centre) for k, s in enumerate(self.season)]
            self.level += self.slope * centre

    def follow_shift(self):
        self.away = 0 if self.delta == self.home else self.away + 1
        if self.away >= self.period:
            self.home, self.away = self.delta, 0

    def new_shape(self, at, remainder, deviation):
        before = self.surprise[at]
        if before and abs(remainder - before) < LIMIT * 1.4 * deviation:
            self.season[at] += (remainder + before) / 2
            self.visits[at], self.surprise[at] = 2.0, 0.0
        else:
            self.surprise[at] = remainder

    def restart(self, level, count, faster):
        if faster:
            self.window = max(8.0, 0.5 * min(self.window, 2 * self.quiet + 8))
        self.level, self.count, self.quiet = level, count, 0
        self.up, self.down = (0.0, 0.0, 0), (0.0, 0.0, 0)

    def learn(self, y, phase, season, remainder, deviation, spread):
        z = max(-CLIP, min(CLIP, remainder / deviation))
        if self.n_scale >= 10:
            remainder = z * deviation
        self.n_scale = min(self.n_scale + 1, 1000)
        self.scale += (abs(remainder) / spread - self.scale) / self.n_scale
        self.count = min(self.count + 1, self.window)
        self.quiet += 1
        if self.quiet > 4 * self.window:
            self.window = min(self.window_max, 2 * self.window)
        self.level += remainder / self.count
        self.slope += 0.02 * remainder / max(self.count, 30) ** 2
        lag = z * self.recent * math.sqrt(15)
        self.window = min(self.window_max, max(4.0, self.window * math.exp(0.05 * (0.05 - lag))))
        self.recent += (z - self.recent) / 8
        self.up = self.cumulate(self.up, z, remainder)
        self.down = self.cumulate(self.down, -z, remainder)
        for evidence, total, count in (self.up, self.down):
            if evidence > 18:
                self.restart(self.level + total / count, count, True)
                break
        if self.period and self.delta == self.home:
            at = (phase + self.delta) % self.period
            self.range += (abs(y - self.level) - self.range) / self.n_scale
            self.season[at] += remainder / (self.visits[at] + 1)
            self.visits[at] = min(self.visits[at] + 1, 1 / self.gain_min)
            season = self.season[at] - sum(self.season) / self.period
        return self.level, season

    @staticmethod
    def cumulate(sums, z, remainder):
        evidence = sums[0] + z - 0.25
        return (evidence, sums[1] + remainder, sums[2] + 1) if evidence > 0 else (0.0, 0.0, 0)

    def explain(self, y, phase, mean, season, deviation):
        wide = max(8 * self.range, 30 * deviation)
        rare = RARE - math.log(wide)
        shifts = range(-self.shift, self.shift + 1)
        if self.episode is None:
            prior = {d: RARE - math.log(10) - abs(d - self.delta) / 5 for d in shifts}
            prior[self.home] = RARE + math.log(0.5)
            self.episode = {"outlier": 0.0, "step": RARE, "shift": prior, "rests": [], "calm": 0}
        e = self.episode
        gap = y - self.level - season
        e["outlier"] += max(log_density(gap, deviation), rare)
        rest = y - season
        if self.delta != self.home:
            rest = y - (self.season[(phase + self.home) % self.period] - mean)
        if e["rests"]:
            widened = deviation * math.sqrt(1 + 1 / len(e["rests"]))
            centre = sum(e["rests"]) / len(e["rests"])
            e["step"] += max(log_density(rest - centre, widened), rare)
        else:
            e["step"] -= math.log(wide)
        e["rests"].append(rest)
        best, best_delta = -1e300, self.delta
        if self.period and self.shift and self.visits[(phase + self.delta) % self.period] >= 3:
            for d in shifts:
                there = self.season[(phase + d) % self.period] - mean
                e["shift"][d] += max(log_density(y - self.level - there, deviation), rare)
            others = [d for d in shifts if d != self.delta]
            best_delta = max(others, key=lambda d: (e["shift"][d], -abs(d), -d))
            top = e["shift"][best_delta]
            best = top + math.log(sum(math.exp(max(e["shift"][d] - top, -700)) for d in others))
        calm = abs(gap) <= LIMIT * deviation
        e["calm"] = e["calm"] + 1 if calm else 0
        n, step, outlier = len(e["rests"]), e["step"], e["outlier"]
        if best > outlier + math.log(20) and best > step + math.log(3):
            self.delta = best_delta
        elif step > outlier + math.log(20) and step > best + math.log(3) and n >= 3:
            self.restart(sum(e["rests"]) / n, float(n), False)
            self.delta = self.home
        elif e["calm"] >= 2:
            pass
        elif n >= 12:
            if step > outlier and step >= best:
                self.restart(sum(e["rests"]) / n, float(n), True)
                self.delta = self.home
            elif best > outlier:
                self.delta = best_delta
            else:
                self.scale *= 1.5
        else:
            return calm
        self.episode = None
        return True
