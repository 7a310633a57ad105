@echo off
rem Vesper's launcher for Windows: finds a JDK 25, builds if nothing is built, runs the command.
rem 'vesper build' builds anew, which is needed when sources have changed.
setlocal
set "root=%~dp0"
set "root=%root:~0,-1%"
set "state=%root%\.vesper"
set "jdk="
for %%D in ("%VESPER_JDK%" "%JAVA_HOME%") do if not defined jdk call :is25 %%D
for /d %%D in ("%ProgramFiles%\Eclipse Adoptium\jdk-25*" "%ProgramFiles%\Java\jdk-25*" "%ProgramFiles%\Microsoft\jdk-25*") do if not defined jdk call :is25 "%%D"
if not defined jdk (
  echo vesper: no JDK 25 found in VESPER_JDK, JAVA_HOME or the usual places; this installs one: 1>&2
  echo   winget install EclipseAdoptium.Temurin.25.JDK 1>&2
  exit /b 2
)
set "JAVA_HOME=%jdk%"
if not exist "%state%" mkdir "%state%"
if "%~1"=="build" (
  call :build always
  exit /b
)
if not exist "%state%\built" call :build stale || exit /b 2
<"%state%\built" (
  set /p built_root=
  set /p built_state=
  set /p built_by=
  set /p built_release=
  set /p built_in=
)
set "cache="
if exist "%state%\%built_in%\vesper.aot" set cache="-XX:AOTCache=%state%\%built_in%\vesper.aot" -Xlog:aot=off -Xlog:cds=off
set "modules=%state%\%built_in%\lib"
set "native=dev.vesper.cli,dev.vesper.machine"
rem A campaign on many computers needs what nothing else does, which is built and put on Java's paths for it alone.
set "cluster="
set "more="
if "%~1"=="fuzz" for %%A in (%*) do (
  if "%%~A"=="--listen" set "cluster=%state%\%built_in%\campaign"
  if "%%~A"=="--join" set "cluster=%state%\%built_in%\campaign"
)
if defined cluster (
  call :build campaign || exit /b 2
  set "cache="
  set "modules=%modules%;%cluster%"
  set "native=%native%,ALL-UNNAMED"
  set more=-cp "%cluster%\lib\*" --add-modules ALL-DEFAULT --add-reads dev.vesper.campaign=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow
)
"%JAVA_HOME%\bin\java.exe" "@%root%\launcher\jvm.options" -XX:MaxRAMPercentage=75 --enable-native-access=%native% %cache% -p "%modules%" %more% -m dev.vesper.cli/dev.vesper.cli.Main %*
exit /b

:is25
if exist "%~1\bin\javac.exe" if exist "%~1\release" findstr /b /c:"JAVA_VERSION=\"25" "%~1\release" >nul && set "jdk=%~1"
exit /b

:build
"%JAVA_HOME%\bin\java.exe" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx1g "%root%\launcher\Build.java" "%root%" "%state%" %1 "@%root%\launcher\jvm.options" -XX:MaxRAMPercentage=75 --enable-native-access=dev.vesper.cli,dev.vesper.machine
exit /b
