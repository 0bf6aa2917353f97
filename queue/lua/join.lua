-- Purpose: give up to 256 fans their numbers in one line, or take them into its lobby while that is open.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 lost, 5 lobby
-- ARGV: 1 the fans' ids, 26 bytes each, one after the other
--       2 covered: numbers below it are reserved in Postgres (0: nothing new to tell)
--       3 claims: "i:number:epoch;" for each fan i (from 1) who holds an earlier place; number -1: one in the lobby
--       4 known: the epoch up to which the draw was asked for what it gave the fans who claim nothing
-- Returns: {epoch, next, reserved, numbers}: numbers are joined by ",", "-" for a fan
--       who has to wait for the next block or for a "C" before, "L" for a fan in the lobby, "C" for one who must claim first what the
--       draw gave, because a newer epoch than that of the place in the lobby, or than known, has begun; "F" alone when all fans are new
--       and have the n numbers below next, in their order; {0, 0, 0, ""} when the line
--       must be restored; {epoch, 0, 0, "D"} while the entrants of the draw are being written down
-- Cost: O(n log N) for n fans; one command when all are new, else four, and four for each number that is taken back
-- Operation: idempotent by the fan: who has a number gets it again, so a lost reply costs nothing
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'next', 'reserved', 'floor', 'lobby', 'ready')
if meta[1] ~= life then
  return {0, 0, 0, ''}
end
local epoch, first, reserved, floor = tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4]), tonumber(meta[5])
local next, covered = first, tonumber(ARGV[2])
local unasked = epoch > 1 and tonumber(ARGV[4]) < epoch -- the draw, for those who claim nothing

local count = #ARGV[1] / 26
if count < 1 or count > 256 or count ~= math.floor(count) then
  return redis.error_reply('ERR a join takes 1 to 256 fans')
end
if meta[6] == 'closed' and not meta[7] then
  return {epoch, 0, 0, 'D'}
end
if covered > reserved then
  reserved = covered
  redis.call('HSET', KEYS[1], 'reserved', reserved)
end

-- A crowd is nearly always new: the next numbers, unless somebody stands there already or twice. Then
-- those numbers are taken back at once, which nobody has seen, and each fan is looked up.
if not meta[6] and not unasked and ARGV[3] == '' and first + count <= reserved then
  local all = {}
  for i = 1, count do
    all[2 * i - 1] = string.format('%d', first + i - 1) -- cheaper than Redis' own way from a number
    all[2 * i] = string.sub(ARGV[1], i * 26 - 25, i * 26)
  end
  if redis.call('ZADD', KEYS[2], 'NX', unpack(all)) == count then
    redis.call('HSET', KEYS[1], 'next', first + count)
    return {epoch, first + count, reserved, 'F'}
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], first, '+inf')
end

local fans = {}
for i = 1, count do
  fans[i] = string.sub(ARGV[1], i * 26 - 25, i * 26)
end
if meta[6] == 'open' then
  redis.call('SADD', KEYS[5], unpack(fans))
  return {epoch, first, reserved, string.rep('L,', count - 1) .. 'L'}
end
local numbers = redis.call('ZMSCORE', KEYS[2], unpack(fans))
local entrants = meta[6] and redis.call('SMISMEMBER', KEYS[5], unpack(fans)) or {}

local claims = {}
for i, number, of in string.gmatch(ARGV[3], '(%d+):(-?%d+):(%d+);') do
  claims[tonumber(i)] = {tonumber(number), tonumber(of)}
end

local given, added = {}, {}
local function give(fan, number)
  given[fan] = string.format('%.0f', number)
  added[#added + 1] = given[fan]
  added[#added + 1] = fan
end

-- Numbers from before a loss first: one counts also when another device of the fan, which had no place to
-- show, was back earlier and got a later number.
for i, claim in pairs(claims) do
  local fan, number = fans[i], claim[1]
  local now = given[fan] or numbers[i]
  if number >= 0 and claim[2] <= epoch and number > floor and number < next and (not now or number < tonumber(now))
      and not (entrants[i] == 1 and not now) and redis.call('GETBIT', KEYS[4], number) == 1 then
    redis.call('SETBIT', KEYS[4], number, 0)
    redis.call('SETBIT', KEYS[3], number, 0)
    if now then
      redis.call('SETBIT', KEYS[3], now, 1)
    end
    give(fan, number)
  end
end

local asks = false -- somebody must claim first: who comes after waits for that
for i = 1, count do
  local fan, claim = fans[i], claims[i]
  if given[fan] then
    numbers[i] = given[fan]
  elseif entrants[i] == 1 and not numbers[i] then
    numbers[i] = 'L'
  elseif not numbers[i] and (claim and claim[1] < 0 and claim[2] < epoch or unasked and not claim) then
    numbers[i] = 'C'
    asks = true
  elseif not numbers[i] and not asks and next < reserved then
    give(fan, next)
    numbers[i] = given[fan]
    next = next + 1
  elseif not numbers[i] then
    numbers[i] = '-'
  end
end
if #added > 0 then
  redis.call('ZADD', KEYS[2], unpack(added))
end
if next > first then
  redis.call('HSET', KEYS[1], 'next', next)
end
return {epoch, next, reserved, table.concat(numbers, ',')}
