# Installs a render node outside on Windows: it starts when this user logs on, and again when it ends.
# Run in an elevated PowerShell, on a machine with After Effects and Python 3.11 or newer, with the
# wheel of FlatRender that the farm runs (`pip wheel --no-deps .` in its folder makes one):
#   .\install-windows.ps1 -Url https://api.example.com -Id <node id> -SecretFile C:\secret.txt -Wheel .\flatrender-0.1.0-py3-none-any.whl
# Stop it: Stop-ScheduledTask "FlatRender node"; remove it: Unregister-ScheduledTask "FlatRender node".
param(
  [Parameter(Mandatory)][string]$Url,
  [Parameter(Mandatory)][guid]$Id,
  [Parameter(Mandatory)][string]$SecretFile,
  [Parameter(Mandatory)][string]$Wheel,
  [string]$Folder = "$env:ProgramData\FlatRenderNode",
  [int]$Slots = 1
)
$ErrorActionPreference = "Stop"
New-Item -ItemType Directory -Force $Folder | Out-Null
$secret = Join-Path $Folder "secret"
Copy-Item $SecretFile $secret -Force
# Only this account and administrators may read the secret.
icacls $secret /inheritance:r /grant:r "Administrators:F" "SYSTEM:R" "${env:USERNAME}:R" | Out-Null

py -3 -m venv "$Folder\venv"
& "$Folder\venv\Scripts\python.exe" -m pip install --upgrade "$Wheel"

# After Effects needs a desktop session of a user, so the node runs as a scheduled task at logon of
# this user, restarted when it ends, instead of as a service of session 0.
$run = "$Folder\run.cmd"
@"
@echo off
set FLATRENDER_NODE_URL=$Url
set FLATRENDER_NODE_ID=$Id
set FLATRENDER_NODE_SECRET_FILE=$secret
set FLATRENDER_NODE_FOLDER=$Folder
set FLATRENDER_NODE_SLOTS=$Slots
:again
"$Folder\venv\Scripts\flatrender.exe" node >> "$Folder\node.log" 2>&1
if %ERRORLEVEL%==2 exit /b 2
if %ERRORLEVEL%==3 exit /b 3
timeout /t 5 /nobreak > nul
goto again
"@ | Set-Content -Encoding ascii $run

$action = New-ScheduledTaskAction -Execute "cmd.exe" -Argument "/c `"$run`""
$trigger = New-ScheduledTaskTrigger -AtLogOn -User $env:USERNAME
$settings = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
  -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries
Register-ScheduledTask -TaskName "FlatRender node" -Action $action -Trigger $trigger `
  -Settings $settings -Force | Out-Null
Start-ScheduledTask -TaskName "FlatRender node"
Write-Host "The node runs; its log is $Folder\node.log"
