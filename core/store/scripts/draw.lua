-- Ask for one call on the rate budgets of a platform; the theory stands in core/replies/budget.py, which does the same.
-- KEYS  for each bucket three:  calls (sorted set: a call of the running window, by its time)
--                               alive (sorted set: Replies, by the time until which they count)
--                               state (hash: tokens, at; closed; seq; line:<priority>)
-- ARGV  1 name of the Reply   2 priority, 0 (final) to 4 (interim)   3 '1' if it comes at the time it was told
--       4 how steeply the gap grows   5 how long a Reply counts after a call (s)   6 now (s), '' for Redis's clock
--       then for each bucket three:  'window' or 'rate'   calls or burst   seconds or calls a second
-- Gives {'1' if the call may go and is accounted for, seconds to wait, fair gap (s), how long the end of one more answer
-- would wait (s), number of the bucket that the platform has closed for the longest time or '0', for how long (s)}.
-- The clock is Redis's, the same for all replicas: theirs may differ by more than a window allows.
local NEVER, ROUNDING, KEPT = -1, 1e-6, 600
local stream, priority, in_line = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local steepness, counts = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end

local function text(number)
  return string.format('%.6f', number)
end

local function spared(rank, alive, most, window)
  if rank == 0 then return 0 end
  if rank == 1 then return math.floor(most / 12) end
  if rank == 2 then return math.floor(most / 8) end
  if rank == 3 then return math.floor(most / 4) end
  return math.min(window and alive + math.floor(alive / 2) + 2 or alive, math.floor(most / 2))
end

local buckets = {}
for number = 1, #KEYS / 3 do
  local b = {calls = KEYS[3 * number - 2], alive = KEYS[3 * number - 1], state = KEYS[3 * number]}
  b.window = ARGV[3 * number + 4] == 'window'
  b.most, b.per = tonumber(ARGV[3 * number + 5]), tonumber(ARGV[3 * number + 6])
  local known = redis.call('HMGET', b.state, 'closed', 'tokens', 'at',
    'line:0', 'line:1', 'line:2', 'line:3', 'line:4')
  b.closed = tonumber(known[1] or NEVER)
  b.line = NEVER -- the last time told to anybody of this priority or a higher one
  for rank = 0, priority do
    b.line = math.max(b.line, tonumber(known[4 + rank] or NEVER))
  end
  b.ends = tonumber(known[4] or NEVER)
  if b.window then
    redis.call('ZREMRANGEBYSCORE', b.calls, '-inf', text(now - b.per + ROUNDING))
    b.used = redis.call('ZCARD', b.calls)
  else
    local at = tonumber(known[3] or now)
    local since = math.max(at, math.min(b.closed, now)) -- a closed bucket does not fill
    b.tokens = math.min(b.most, tonumber(known[2] or b.most) + math.max(now - since, 0) * b.per)
    b.at = math.max(at, now)
    b.used = b.most - b.tokens
  end
  redis.call('ZREMRANGEBYSCORE', b.alive, '-inf', text(now))
  if priority == 0 or priority == 2 then -- its end
    redis.call('ZREM', b.alive, stream)
  else
    local until_ = tonumber(redis.call('ZSCORE', b.alive, stream) or 0)
    redis.call('ZADD', b.alive, text(math.max(until_, now + counts)), stream)
  end
  b.living = redis.call('ZCARD', b.alive)
  buckets[number] = b
end

local function open_to(b, rank)
  return math.max(1, b.most - spared(rank, b.living, b.most, b.window))
end

local function interval(b, rank)
  return b.window and b.per / open_to(b, rank) or 1 / b.per
end

local at = now
for _, b in ipairs(buckets) do
  local mine = open_to(b, priority)
  local opens = math.max(now, b.closed)
  if b.window then
    if b.used >= mine then
      local frees = math.floor(b.used - mine)
      local oldest = redis.call('ZRANGE', b.calls, frees, frees, 'WITHSCORES')
      opens = math.max(opens, tonumber(oldest[2]) + b.per)
    end
  else
    opens = opens + math.max(b.used + 1 - mine, 0) / b.per
  end
  if not in_line then
    if b.line > now then
      opens = math.max(opens, b.line + interval(b, priority))
    end
    if opens > now + ROUNDING then
      local mark = 'line:' .. priority
      redis.call('HSET', b.state, mark, text(math.max(tonumber(redis.call('HGET', b.state, mark) or NEVER), opens)))
      if priority == 0 then b.ends = math.max(b.ends, opens) end
    end
  end
  at = math.max(at, opens)
end

local go = at <= now + ROUNDING
local wait = go and 0 or at - now
local gap, ends, number, closed = 0, 0, 0, 0
for place, b in ipairs(buckets) do
  if go then
    b.used = b.used + 1
    if b.window then
      redis.call('ZADD', b.calls, text(now), redis.call('HINCRBY', b.state, 'seq', 1))
    else
      b.tokens = b.tokens - 1
    end
  end
  if not b.window then
    redis.call('HSET', b.state, 'tokens', text(b.tokens), 'at', text(b.at))
  end
  local mine, between = open_to(b, 4), interval(b, 4)
  local even = b.living * between
  gap = math.max(gap, even * math.min(1, math.max(0, b.used / mine)) ^ steepness)
  if b.window and b.used > 0 and b.used < mine then
    local oldest = redis.call('ZRANGE', b.calls, 0, 0, 'WITHSCORES')
    local frees_in = tonumber(oldest[2]) + b.per - now
    local stretch = frees_in / (mine - b.used) / between
    gap = math.max(gap, math.min(even * (stretch < 3 and stretch ^ 3 / 9 or stretch), frees_in))
  end
  local missing = b.used + b.living + spared(1, b.living, b.most, b.window) + 1 - b.most
  local ends_at = math.max(now, b.closed)
  if missing > 0 and not b.window then
    ends_at = ends_at + missing / b.per
  elseif missing > 0 and b.used > 0 then
    local frees = math.min(math.floor(missing), b.used) - 1
    ends_at = math.max(ends_at, tonumber(redis.call('ZRANGE', b.calls, frees, frees, 'WITHSCORES')[2]) + b.per)
  end
  if b.ends > now then
    ends_at = math.max(ends_at, b.ends + interval(b, 0))
  end
  ends = math.max(ends, ends_at - now)
  if b.closed - now > closed then
    number, closed = place, b.closed - now
  end
end
for _, b in ipairs(buckets) do
  if redis.call('ZSCORE', b.alive, stream) then
    redis.call('ZADD', b.alive, text(now + wait + 2 * gap + counts), stream)
  end
  local kept = math.ceil(math.max(KEPT, b.closed - now + KEPT, 2 * gap + wait + counts))
  redis.call('EXPIRE', b.calls, kept)
  redis.call('EXPIRE', b.alive, kept)
  redis.call('EXPIRE', b.state, kept)
end
return {go and '1' or '0', text(wait), text(gap), text(ends), tostring(number), text(closed)}
