-- Purpose: one tick: sweep whose time is over, refill the bucket, admit from the head of the line.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 feed (package queue's)
--       5 rules, 6 state, 7 shoppers, 8 deadlines, 9 holding, 10 redeemed, 11 operation,
--       12 bypass
-- ARGV: 1 now in microseconds ('' → TIME)
-- Returns: {1, result} with result = "epoch|version|paused|waiting|shoppers|admitted_high|no-shows|ended|
--       lapsed|number:fan,…" (the admitted, those let in past the line first); {0, ''} when the line must be restored; {-1, ''} without rules
-- Cost: O((a + s) log N) for a admitted (≤ batch ≤ 1000) and s swept (≤ 200)
-- Operation: a result that tells of fans is kept for a minute by the operation id; the same id gets it
--       again. Where nothing happened, the same id is a tick like any other
local stored = redis.call('GET', KEYS[11])
if stored then
  return {1, stored}
end
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'clean', 'settle', 'admitted_high')
if meta[1] ~= life then
  return {0, ''}
end
local rules = redis.call('HMGET', KEYS[5], 'rate', 'burst', 'paused', 'schedule', 'compensate',
  'version', 'max', 'batch', 'gate', 'show_up', 'stopped')
local version = rules[6]
if not version then
  return {-1, ''}
end
if rules[11] then
  rules[3] = '1'
end
local burst, max, batch, show_up = tonumber(rules[2]), tonumber(rules[7]), tonumber(rules[8]), tonumber(rules[10])
local paused, gate, compensated = rules[3] == '1', rules[9] == '1', (tonumber(rules[5]) or 0) > 0
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local millis = math.floor(now / 1000)

local function feed(kind, fans, ...)
  if #fans > 0 then
    local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
      'kind', kind, 'at', string.format('%.0f', now), 'fans', table.concat(fans, ','), ...)
  end
end

-- Those whose pass or whose time to shop is over.
local ended, no_shows = {}, 0
for _, fan in ipairs(redis.call('ZRANGE', KEYS[8], '-inf', millis, 'BYSCORE', 'LIMIT', 0, 200)) do
  local number, shop_until = string.match(redis.call('HGET', KEYS[7], fan) or '', '^%d+:(%d+):%d+:%d+:(%d+)$')
  if shop_until == '0' then
    no_shows = no_shows + 1
  end
  if number then
    ended[#ended + 1] = number .. ':' .. fan
  end
  redis.call('HDEL', KEYS[7], fan)
  redis.call('ZREM', KEYS[8], fan)
  redis.call('SREM', KEYS[9], fan)
end
redis.call('ZREMRANGEBYSCORE', KEYS[10], '-inf', millis - 60000)
feed('ended', ended, 'no_shows', no_shows)

-- The bucket. A new epoch begins with an empty one: the burst of the lost one may just have been used.
local state = redis.call('HMGET', KEYS[6], 'tokens', 'at', 'epoch', 'left', 'ceiling', 'owed')
local tokens, ceiling, at
if state[3] == meta[2] then
  tokens, ceiling, at = refill(state, rules, now)
else
  tokens, at = meta[3] == '1' and burst * UNIT or 0, now
  ceiling = tokens
end
local owed = compensated and math.min((tonumber(state[6]) or 0) + no_shows, burst) or 0

local shoppers = redis.call('HLEN', KEYS[7])
local admit = math.min(math.floor(tokens / UNIT) + owed, math.floor(ceiling / UNIT), batch, max - shoppers,
  redis.call('ZCARD', KEYS[2]))
if gate then
  admit = math.min(admit, state[4] and state[4] - (shoppers - redis.call('SCARD', KEYS[9])) or 0)
end
if paused or now < tonumber(meta[4]) then
  admit = 0
end

local called, admitted, bypassed, lapsed, high = {}, {}, {}, {}, tonumber(meta[5]) or -1
local pass_until = millis + show_up
local function let_in(fan, number, list)
  redis.call('SETBIT', KEYS[3], number, 1)
  local record = string.format('%s:%s:%.0f:%.0f:0', meta[2], number, millis, pass_until)
  if redis.call('HSETNX', KEYS[7], fan, record) == 1 then
    redis.call('ZADD', KEYS[8], pass_until, fan)
    list[#list + 1] = number .. ':' .. fan
    called[#called + 1] = list[#list]
    return true
  end
  lapsed[#lapsed + 1] = number .. ':' .. fan -- shops already, and joined once more meanwhile
end
if admit > 0 then
  -- Those whom the organizer named come first; who has left the line is passed over.
  for _, fan in ipairs(redis.call('LPOP', KEYS[12], admit) or {}) do
    local number = redis.call('ZSCORE', KEYS[2], fan)
    if number then
      redis.call('ZREM', KEYS[2], fan)
      let_in(fan, number, bypassed)
    end
  end
  if admit > #bypassed then
    local heads = redis.call('ZPOPMIN', KEYS[2], admit - #bypassed)
    for i = 1, #heads, 2 do
      if let_in(heads[i], heads[i + 1], admitted) then
        high = math.max(high, tonumber(heads[i + 1]))
      end
    end
  end
  local by_rate = math.min(#called, math.floor(tokens / UNIT))
  tokens, owed, ceiling = tokens - by_rate * UNIT, owed - (#called - by_rate), ceiling - #called * UNIT
  local till = string.format('%.0f', pass_until)
  feed('admitted', bypassed, 'rules', version, 'until', till, 'bypass', 1)
  feed('admitted', admitted, 'rules', version, 'until', till)
  feed('left', lapsed)
  redis.call('HINCRBY', KEYS[1], 'admitted', #called)
  redis.call('HINCRBY', KEYS[1], 'left', #lapsed)
  redis.call('HSET', KEYS[1], 'admitted_high', high)
end
redis.call('HSET', KEYS[6], 'tokens', tokens, 'ceiling', ceiling, 'owed', owed, 'at', at, 'epoch', meta[2])
if #called > 0 then redis.call('HINCRBY', KEYS[6], 'admitted', #called) end
if no_shows > 0 then redis.call('HINCRBY', KEYS[6], 'no_shows', no_shows) end
if #ended > no_shows then redis.call('HINCRBY', KEYS[6], 'ended', #ended - no_shows) end

local result = string.format('%s|%s|%d|%d|%d|%.0f|%d|%d|%d|%s', meta[2], version, paused and 1 or 0, redis.call('ZCARD', KEYS[2]),
  redis.call('HLEN', KEYS[7]), high, no_shows, #ended - no_shows, #lapsed, table.concat(called, ','))
if #called + #ended + #lapsed > 0 then
  redis.call('SET', KEYS[11], result, 'PX', 60000)
end
return {1, result}
