-- Purpose: the bucket's arithmetic, put in front of tick.lua, rules.lua and stop.lua; bucket.go is the same.
-- KEYS: none
-- ARGV: none
-- Returns: nothing by itself; defines UNIT, inflow and refill
-- Cost: O(steps of the schedule), exact: all values are integers below 2^53
-- Operation: changes nothing
local UNIT = 60000000
local HOUR = 3600000000

-- schedule is "from:rate,…" in microseconds and admissions per minute, ascending.
local function inflow(from, to, rate, schedule, percent)
  from = math.max(from, to - HOUR)
  local sum = 0
  for begins, next in string.gmatch(schedule, '(%d+):(%d+)') do
    begins = tonumber(begins)
    if begins > from and begins < to then
      sum = sum + (begins - from) * (rate + math.floor(rate * percent / 100))
      from = begins
    end
    if begins <= from then
      rate = tonumber(next)
    end
  end
  return sum + math.max(to - from, 0) * (rate + math.floor(rate * percent / 100))
end

-- state: {tokens, at, epoch, left, ceiling, …} and rules: {rate, burst, paused, schedule, compensate}, as Redis has them.
local function refill(state, rules, now)
  local tokens, at = tonumber(state[1]), tonumber(state[2])
  local ceiling = tonumber(state[5]) or tokens
  if rules[3] ~= '1' then
    tokens = tokens + inflow(at, now, tonumber(rules[1]), rules[4] or '', 0)
    ceiling = ceiling + inflow(at, now, tonumber(rules[1]), rules[4] or '', tonumber(rules[5]) or 0)
  end
  local full = tonumber(rules[2]) * UNIT
  return math.min(tokens, full), math.min(ceiling, full), math.max(at, now)
end
